// Fuzzes the reading of model folders, those of others and the library's own. The input holds config.json,
// preprocessor_config.json and model.safetensors, each but the last ended by a line of four equals signs; an
// empty one is not there.
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/require.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/pretrained.hpp"

namespace {

/// A folder in the current one, which tests/fuzz/run.sh removes.
const std::filesystem::path& folder() {
  thread_local const std::filesystem::path path = [] {
    std::string name = "minivit_fuzz_XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    return std::filesystem::path(name);
  }();
  return path;
}

void write_files(std::string_view input) {
  constexpr std::string_view kEnd = "\n====\n";
  for (const char* const name : {"config.json", "preprocessor_config.json", "model.safetensors"}) {
    const bool last = std::string_view(name) == "model.safetensors";
    const std::size_t end = last ? input.size() : std::min(input.find(kEnd), input.size());
    const std::filesystem::path file = folder() / name;
    std::filesystem::remove(file);
    if (end > 0) std::ofstream(file, std::ios::binary) << input.substr(0, end);
    input.remove_prefix(std::min(input.size(), end + (last ? 0 : kEnd.size())));
  }
}

/// What is accepted can be used: a label for each class, images of the network's size, finite weights; saved,
/// it is read again.
void check_model(const minivit::ModelBundle& model) {
  const minivit::ViTConfig& c = model.net.config;
  require(model.labels.size() == static_cast<std::size_t>(c.num_classes));
  require(model.preprocess.height == c.image_height && model.preprocess.width == c.image_width);
  if (c.channels != model.preprocess.channels) return;  // such a model sees no images, but can be exported
  const std::int64_t cost = c.tokens() * c.tokens() * c.embedding_dim * c.num_layers;
  if (cost > 10'000'000 || c.image_height * c.image_width > 256 * 256) return;
  const minivit::ImageClassifier classifier(model);
  const minivit::Image image = minivit::image::make_image(7, 5);
  if (c.num_classes > 0) try {
      const auto best = classifier.classify(image, 3);
      for (const minivit::Prediction& p : best) require(p.probability >= 0 && p.probability <= 1);
    } catch (const minivit::Error&) {  // a logit that is not finite
    }
}

template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const minivit::Error& error) { require(std::string_view(error.what()).size() < 4096); }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  write_files({reinterpret_cast<const char*>(data), size});
  read_or_refuse([] { check_model(minivit::load_pretrained(folder()).model); });
  read_or_refuse([] {
    check_model(
        minivit::load_pretrained(folder() / "model.safetensors", {.num_heads = 1, .classes = {"a", "b"}})
            .model);
  });
  read_or_refuse([] { static_cast<void>(minivit::load_bundle(folder())); });
  return 0;
}
