// Images counted by class and suffix, and measured.
#include "data_facts.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "minivit/core/file.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::cli {

namespace {

constexpr std::size_t kMeasured = 200;  // images, spread over all classes

std::size_t total(const std::vector<std::size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

std::vector<std::size_t> by_class(const ImageFolder& folder, const std::vector<std::size_t>& part) {
  std::vector<std::size_t> counts(folder.classes().size());
  for (const std::size_t i : part) ++counts[static_cast<std::size_t>(folder.labels()[i])];
  return counts;
}

std::vector<image::ImageSize> measured(const ImageFolder& folder, const std::vector<std::size_t>& part) {
  std::vector<image::ImageSize> sizes;
  const std::size_t count = std::min(part.size(), kMeasured);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& path = folder.paths()[part[i * part.size() / count]];
    try {
      const std::string content = io::read_file(path, std::size_t{64} << 20);
      const image::EncodedImage bytes(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
      const image::ImageFormat* format = image::find_image_format(bytes);
      if (!format) continue;
      image::ImageSize size = format->size(bytes, path.native(), std::numeric_limits<std::int64_t>::max());
      if (format->orientation && format->orientation(bytes) > 4) std::swap(size.width, size.height);
      sizes.push_back(size);
    } catch (const Error&) {  // it is named when it is loaded
    }
  }
  return sizes;
}

}  // namespace

DataFacts DataFacts::of(const TrainConfig& config, const TrainingImages& images) {
  DataFacts facts{.classes = images.classes(),
                  .train = by_class(images.train, images.train_part),
                  .val = by_class(images.val, images.val_part),
                  .smallest = {},
                  .median = {},
                  .largest = {},
                  .suffixes = {},
                  .own_val = !config.data.val.empty()};
  if (auto sizes = measured(images.train, images.train_part); !sizes.empty()) {
    std::ranges::sort(sizes, {}, [](const image::ImageSize& s) { return s.width * s.height; });
    facts.smallest = sizes.front(), facts.median = sizes[sizes.size() / 2], facts.largest = sizes.back();
  }
  std::map<std::string, std::size_t> suffixes;
  for (const std::size_t i : images.train_part) {
    std::string suffix = images.train.paths()[i].extension().string();
    for (char& c : suffix)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    ++suffixes[suffix];
  }
  facts.suffixes.assign(suffixes.begin(), suffixes.end());
  std::ranges::stable_sort(facts.suffixes, std::greater<>(), [](const auto& s) { return s.second; });
  return facts;
}

std::size_t DataFacts::train_total() const { return total(train); }
std::size_t DataFacts::val_total() const { return total(val); }

double majority_share(const std::vector<std::size_t>& counts, std::size_t* label) {
  const auto largest = std::ranges::max_element(counts);
  if (largest == counts.end() || *largest == 0) return 0;
  if (label) *label = static_cast<std::size_t>(largest - counts.begin());
  return static_cast<double>(*largest) / static_cast<double>(total(counts));
}

}  // namespace minivit::cli
