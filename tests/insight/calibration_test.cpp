// Calibration against its definitions in NumPy, and SciPy's optimum, of the answers in scores.safetensors.
#include "minivit/insight/calibration.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/io/safetensors.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

bool near(double a, double b, double by = 1e-9) { return std::fabs(a - b) < by; }

}  // namespace

TEST_CASE("calibration errors are those of the definitions, the temperature that of an optimizer") {
  const io::SafetensorsFile file(std::filesystem::path(MINIVIT_TEST_DATA) / "scores.safetensors");
  const Tensor logits = file.tensor("logits"), numbers = file.tensor("labels");
  std::vector<int> labels;
  for (const float label : numbers.values()) labels.push_back(static_cast<int>(label));

  const CalibrationScores s = calibration(logits, labels);
  CHECK(near(s.nll, 1.7260826121652784));
  CHECK(near(s.brier, 0.8261842861015143));
  CHECK(near(s.ece, 0.2655064178096989));
  CHECK(near(s.mce, 0.4735332198405738));
  CHECK(near(s.classwise, 0.1609721840920411));
  REQUIRE(s.bins.size() == 15);
  std::int64_t images = 0;
  for (const ReliabilityBin& bin : s.bins) {
    images += bin.images;
    CHECK((bin.images == 0 || (bin.confidence > bin.low - 1e-12 && bin.confidence <= bin.high + 1e-12)));
  }
  CHECK(images == 200);

  const double T = fit_temperature(logits, labels);
  CHECK(near(T, 2.668909848746911, 1e-5));
  CHECK(near(calibration(logits, labels, T).nll, 1.3934119704888872));
  CHECK(calibration(logits, labels, T).ece < 0.1);
}

TEST_CASE("labels that are drawn from the probabilities at a temperature give that temperature back") {
  constexpr std::int64_t N = 40000, K = 4;
  Tensor logits = Tensor::empty({N, K});
  std::vector<int> labels;
  Rng rng(2);
  for (float& v : logits.values()) v = 2 * rng.normal();
  const std::vector<double> p = probabilities(logits, 1.6);
  for (std::size_t i = 0; i < static_cast<std::size_t>(N); ++i) {
    double u = rng.uniform();
    int label = 0;
    while (label + 1 < K && u >= p[i * K + static_cast<std::size_t>(label)])
      u -= p[i * K + static_cast<std::size_t>(label++)];
    labels.push_back(label);
  }
  CHECK(near(fit_temperature(logits, labels), 1.6, 0.05));
  CHECK(calibration(logits, labels, 1.6).ece < 0.01);
}

TEST_CASE("what cannot be calibrated") {
  const Tensor logits = Tensor::zeros({2, 3});
  CHECK(message_of<ConfigError>([] {
          (void)fit_temperature(Tensor::zeros({0, 3}), {});
        }) == "fit_temperature: no images");
  CHECK(message_of<ConfigError>([&] {
          (void)calibration(logits, std::vector<int>{0, 1}, 0);
        }) == "probabilities: temperature is 0, expected above 0");
  CHECK(message_of<ShapeError>([&] {
          (void)calibration(logits, std::vector<int>{0, 3});
        }) == "calibration: label 3 is out of range for 3 classes");
  // All right and all wrong: the ends of the range.
  Tensor sure = Tensor::zeros({2, 3});
  sure(0, 0) = sure(1, 1) = 9;
  CHECK(near(fit_temperature(sure, std::vector<int>{0, 1}), 0.01, 1e-6));
  CHECK(fit_temperature(sure, std::vector<int>{1, 0}) > 99);
}
