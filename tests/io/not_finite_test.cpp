// Weights that are infinite or no number are refused by name; so are logits, which a prediction is made of.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "minivit/io/model_folder.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/io/safetensors.hpp"
#include "support/message_of.hpp"
#include "support/model_copy.hpp"

using namespace minivit;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity();

/// The weights in the folder, one value of a tensor replaced.
void spoil(const std::filesystem::path& folder, const std::string& tensor, float value) {
  io::SafetensorsWriter writer;
  {
    const io::SafetensorsFile file(folder / "model.safetensors");
    for (const std::string& name : file.names()) {
      Tensor t = file.tensor(name);
      if (name == tensor) t.data()[t.numel() - 1] = value;
      writer.add(name, t);
    }
  }
  writer.save(folder / "model.safetensors");
}

}  // namespace

TEST_CASE("weights that are not finite are refused, the tensor named as the file names it") {
  for (const float value : {kNan, kInfinity, -kInfinity}) {
    const ModelCopy copy("pretrained/hf_vit");
    spoil(copy.path(), "classifier.weight", value);
    CHECK(message_of<FileError>([&] { static_cast<void>(load_pretrained(copy.path())); }) ==
          str_cat((copy.path() / "model.safetensors").native(), ": classifier.weight holds ", value,
                  ", expected finite numbers only; the weights are damaged, or of a training that failed"));
    const Pretrained anyway = load_pretrained(copy.path(), {.not_finite = true});
    const ImageClassifier classifier(anyway.model);
    CHECK(message_of<Error>([&] {
            static_cast<void>(classifier.classify(image::make_image(16, 16)));
          }).find("classifier: the logit of class \"kind 4\" is ") == 0);
  }
  const ModelCopy own("pretrained/timm_vit");
  spoil(own.path(), "blocks.1.mlp.fc2.bias", kNan);
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_bundle(own.path()));
        }).find("model.safetensors: blocks.1.mlp.fc2.bias holds nan") != std::string::npos);
}

TEST_CASE("the largest and the smallest numbers are finite") {
  const ModelCopy copy("pretrained/timm_vit");
  spoil(copy.path(), "head.bias", std::numeric_limits<float>::max());
  CHECK(load_pretrained(copy.path()).model.labels.size() == 5);
  spoil(copy.path(), "head.bias", std::numeric_limits<float>::denorm_min());
  CHECK(load_pretrained(copy.path()).model.labels.size() == 5);
}

TEST_CASE("logits that are not finite are an error, not a probability") {
  const ImageClassifier c(load_pretrained(ModelCopy("pretrained/timm_vit").path()).model);
  for (const float bad : {kNan, kInfinity, -kInfinity})
    CHECK(message_of<Error>([&] {
            (void)c.ranked(std::vector<float>{0, 1, bad, 2, 3});
          }) ==
          str_cat("classifier: the logit of class \"kind 2\" is ", bad,
                  ", not a finite number; the weights, or the numbers that the image becomes, are out of "
                  "range"));
}
