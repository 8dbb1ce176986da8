// Classes that do not exclude each other: each has the sigmoid of its logit, here and in what is saved and
// exported.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "minivit/io/export.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/train/metrics.hpp"
#include "support/model_copy.hpp"

using namespace minivit;
using io::Json;

namespace {

/// A model of transformers whose problem is this one.
ModelBundle of_problem(const std::string& problem) {
  const ModelCopy copy("pretrained/hf_vit");
  copy.edit("config.json", [&](Json& json) { json["problem_type"] = problem; });
  return load_pretrained(copy.path()).model;
}

void check_sigmoid(const ModelBundle& model) {
  CHECK(model.multi_label);
  const ImageClassifier c(model);
  CHECK(c.multi_label());
  const std::vector<Prediction> best = c.ranked(std::vector<float>{0, -3, 2, 1, -1});
  REQUIRE(best.size() == 5);
  CHECK(best[0].name == "kind 2");
  CHECK(best[0].probability == doctest::Approx(1 / (1 + std::exp(-2.0))));
  CHECK(best[2].probability == doctest::Approx(0.5));
  CHECK(best[4].probability == doctest::Approx(1 / (1 + std::exp(3.0))));
}

}  // namespace

TEST_CASE("multi-label: problem_type decides between sigmoid and softmax") {
  check_sigmoid(of_problem("multi_label_classification"));
  const ModelBundle single = of_problem("single_label_classification");
  CHECK_FALSE(single.multi_label);
  float sum = 0;
  for (const Prediction& p : ImageClassifier(single).ranked(std::vector<float>{0, -3, 2, 1, -1}))
    sum += p.probability;
  CHECK(sum == doctest::Approx(1));
}

TEST_CASE("multi-label: what is saved and exported still is, other classes are not") {
  const ModelBundle model = of_problem("multi_label_classification");
  const std::filesystem::path folder = "multi_label_test";
  std::filesystem::create_directories(folder);
  save_model(folder / "own", model);
  check_sigmoid(load_bundle(folder / "own"));
  check_sigmoid(load_pretrained(folder / "own").model);
  for (const ExportFormat format :
       {ExportFormat::timm, ExportFormat::transformers, ExportFormat::transformers5}) {
    const std::filesystem::path to = folder / kExportFormats[static_cast<std::size_t>(format)];
    export_model(to, model, format);
    check_sigmoid(load_pretrained(to).model);
  }
  CHECK(io::read_json_file(folder / "transformers" / "config.json").at("problem_type") ==
        "multi_label_classification");
  CHECK_FALSE(load_pretrained(folder / "own", {.classes = {"kind 1", "new"}}).model.multi_label);
}

TEST_CASE("multi-label: one class alone has a sigmoid, as transformers' pipeline gives it") {
  const ModelCopy copy("pretrained/hf_vit");
  io::SafetensorsWriter writer;
  {
    const io::SafetensorsFile file(copy.path() / "model.safetensors");
    for (const std::string& name : file.names())
      writer.add(name, name.starts_with("classifier") ? file.tensor(name).rows(0, 1) : file.tensor(name));
  }
  writer.save(copy.path() / "model.safetensors");
  copy.edit("config.json", [](Json& json) { json["id2label"] = Json::object({{"0", "hot dog"}}); });
  const ImageClassifier c(load_pretrained(copy.path()).model);
  CHECK(c.ranked(std::vector<float>{1})[0].probability == doctest::Approx(1 / (1 + std::exp(-1.0))));
}

TEST_CASE("multi-label: the loss is the binary cross-entropy of each class, in the mean") {
  Tensor logits = Tensor::empty({2, 3});
  const float z[] = {0.5f, -2, 30, -40, 1, 0};
  std::copy_n(z, 6, logits.data());
  Metrics m;
  m.add(logits, std::vector<int>{1, 2}, true);
  // PyTorch: binary_cross_entropy_with_logits(logits, one_hot, reduction="mean")
  const double first = std::log1p(std::exp(0.5)) + std::log1p(std::exp(2.0)) + 30,
               second = std::log1p(std::exp(1.0)) + std::log(2.0);
  CHECK(m.loss() == doctest::Approx((first + second) / 6).epsilon(1e-6));
  CHECK(m.samples == 2);
}
