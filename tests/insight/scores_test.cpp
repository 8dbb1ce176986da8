// Scores of a classifier against scikit-learn's, of the answers in scores.safetensors
// (tests/data/make_scores.py).
#include "minivit/insight/scores.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "minivit/io/safetensors.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

struct Answers {
  Tensor logits;
  std::vector<int> labels;
};

const Answers& answers() {
  static const Answers all = [] {
    const io::SafetensorsFile file(std::filesystem::path(MINIVIT_TEST_DATA) / "scores.safetensors");
    Answers a{file.tensor("logits"), {}};
    const Tensor labels = file.tensor("labels");
    for (const float label : labels.values()) a.labels.push_back(static_cast<int>(label));
    return a;
  }();
  return all;
}

ConfusionMatrix matrix() {
  const auto& [logits, labels] = answers();
  ConfusionMatrix m(5);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* const row = logits.data() + static_cast<std::int64_t>(i) * 5;
    m.add(labels[i], static_cast<int>(std::max_element(row, row + 5) - row));
  }
  return m;
}

bool near(double a, double b) { return std::fabs(a - b) < 1e-9; }

/// Probabilities of class k, and which images are of it.
std::pair<std::vector<double>, std::vector<char>> one_against_rest(std::size_t k) {
  const auto& [logits, labels] = answers();
  const std::vector<double> p = probabilities(logits);
  std::pair<std::vector<double>, std::vector<char>> out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    out.first.push_back(p[i * 5 + k]);
    out.second.push_back(labels[i] == static_cast<int>(k));
  }
  return out;
}

}  // namespace

TEST_CASE("accuracy and its relatives are scikit-learn's") {
  const ConfusionMatrix m = matrix();
  CHECK(m.images() == 200);
  CHECK(near(m.accuracy(), 0.405));
  CHECK(near(m.balanced_accuracy(), 0.3843636656136656));
  CHECK(near(m.kappa(), 0.20481122619445358));
  CHECK(near(m.matthews(), 0.2113669327982733));
  const MeanScores macro = m.macro_mean(), weighted = m.weighted_mean();
  CHECK(near(macro.precision, 0.32200976174018536));
  CHECK(near(macro.recall, 0.30749093249093246));
  CHECK(near(macro.f1, 0.2987774600821302));
  CHECK(near(weighted.precision, 0.5089745235509036));
  CHECK(near(weighted.recall, 0.405));
  CHECK(near(weighted.f1, 0.4420594914516338));
}

TEST_CASE("scores of each class are scikit-learn's, also of one that never occurs") {
  const std::vector<ClassScores> rows = matrix().by_class();
  const double precision[] = {0.6428571428571429, 0.5576923076923077, 0.2631578947368421, 0.14634146341463414,
                              0},
               recall[] = {0.4675324675324675, 0.3918918918918919, 0.30303030303030304, 0.375, 0},
               f1[] = {0.5413533834586466, 0.4603174603174603, 0.28169014084507044, 0.21052631578947367, 0};
  const std::int64_t support[] = {77, 74, 33, 16, 0};
  REQUIRE(rows.size() == 5);
  for (std::size_t k = 0; k < 5; ++k) {
    CAPTURE(k);
    CHECK(near(rows[k].precision, precision[k]));
    CHECK(near(rows[k].recall, recall[k]));
    CHECK(near(rows[k].f1, f1[k]));
    CHECK(rows[k].support == support[k]);
  }
}

TEST_CASE("areas under the curves are scikit-learn's, equal scores included") {
  const double roc[] = {0.6881005173688101, 0.7014157014157014, 0.6561422609326801, 0.6997282608695652},
               precision[] = {0.5981656241600841, 0.5539916394546548, 0.27321966797466746,
                              0.23920030029308287};
  for (std::size_t k = 0; k < 4; ++k) {
    CAPTURE(k);
    const auto [p, positive] = one_against_rest(k);
    CHECK(near(roc_area(p, positive), roc[k]));
    CHECK(near(average_precision(p, positive), precision[k]));
  }
  const auto [p, positive] = one_against_rest(0);
  CHECK(near(false_alarm_rate(p, positive), 0.9512195121951219));
  const auto [never, none] = one_against_rest(4);
  CHECK(std::isnan(roc_area(never, none)));
  CHECK(std::isnan(average_precision(never, none)));
  CHECK(std::isnan(false_alarm_rate(never, none)));
  CHECK(roc_area(std::vector<double>{1, 1, 1, 1}, std::vector<char>{1, 0, 1, 0}) == 0.5);
}

TEST_CASE("a label is among the k largest logits, of equal ones the lower number first") {
  const auto& [logits, labels] = answers();
  CHECK(near(top_k_accuracy(logits, labels, 1), matrix().accuracy()));
  CHECK(near(top_k_accuracy(logits, labels, 2), 0.655));
  CHECK(near(top_k_accuracy(logits, labels, 3), 0.83));
  CHECK(top_k_accuracy(logits, labels, 5) == 1);
}

TEST_CASE("Wilson's interval is SciPy's") {
  const auto is = [](const Interval& i, double low, double high) {
    return std::fabs(i.low - low) < 1e-9 && std::fabs(i.high - high) < 1e-9;
  };
  CHECK(is(wilson_interval(8, 10), 0.4901624715366418, 0.9433178485456248));
  CHECK(is(wilson_interval(0, 20), 0, 0.16112515805281935));
  CHECK(is(wilson_interval(9072, 10000, 0.01), 0.8994537882726101, 0.9144062240244604));
  CHECK(is(wilson_interval(0, 0), 0, 1));
  CHECK(std::fabs(normal_quantile(0.975) - 1.959963984540054) < 1e-9);
  CHECK(std::fabs(normal_quantile(1e-6) + 4.753424308822899) < 1e-9);
}

TEST_CASE("scores without images, and wrong numbers") {
  const ConfusionMatrix empty(3);
  CHECK(empty.accuracy() == 0);
  CHECK(empty.balanced_accuracy() == 0);
  CHECK(empty.kappa() == 0);
  CHECK(empty.matthews() == 0);
  CHECK(empty.macro_mean().f1 == 0);
  CHECK(message_of<ShapeError>([] { ConfusionMatrix(2).add(0, 2); }) ==
        "confusion matrix: class 2 is out of range for 2 classes");
  CHECK(message_of<ShapeError>([] {
          (void)roc_area(std::vector<double>{1}, std::vector<char>{1, 0});
        }) == "ranking: 1 scores, 2 marks, expected as many");
  CHECK(message_of<ConfigError>([] {
          (void)wilson_interval(1, 2, 0);
        }).starts_with("wilson_interval: alpha is 0"));
}
