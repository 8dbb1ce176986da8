// Fuzzes what happens to an image between its file and the model: augmentation, resizing, cutting,
// normalizing. The input is a list of numbers: settings first, then pixels.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "fuzz/require.hpp"
#include "minivit/data/augment.hpp"
#include "minivit/data/resize.hpp"
#include "minivit/data/transform.hpp"

namespace {

using namespace minivit;
using namespace minivit::image;

/// Numbers out of the input; zeros behind its end.
class Input {
 public:
  explicit Input(std::span<const unsigned char> bytes) : bytes_(bytes) {}

  template <class T>
  T next() {
    T value{};
    const std::size_t n = std::min(sizeof value, bytes_.size());
    std::memcpy(&value, bytes_.data(), n);
    bytes_ = bytes_.subspan(n);
    return value;
  }
  int below(int bound) { return static_cast<int>(next<std::uint16_t>() % static_cast<unsigned>(bound)); }

  /// A number from 0 to 1 mostly, sometimes any double at all.
  double share() {
    const int kind = below(8);
    if (kind == 0) return next<double>();
    if (kind == 1) return std::pow(10.0, -below(320));
    return below(1001) / 1000.0;
  }

  Image picture() {
    Image image = make_image(1 + below(below(4) == 0 ? 2000 : 40), 1 + below(40));
    for (std::uint8_t& value : image.pixels) value = next<std::uint8_t>();
    return image;
  }

 private:
  std::span<const unsigned char> bytes_;
};

void check_valid(const Image& image) {
  require(image.pixels.size() == image.stride() * static_cast<std::size_t>(image.height));
}

void augment(Input& input, const Image& image) {
  const AugmentOp& op = *kTrivialAugmentWide[static_cast<std::size_t>(
      input.below(static_cast<int>(kTrivialAugmentWide.size())))];
  const float strength =
      input.below(2) == 0 ? augment_strength(op, input.below(kAugmentBins)) : input.next<float>();
  const Image out = apply(op, image, strength);
  check_valid(out);
  require(out.width == image.width && out.height == image.height);
}

void resize_part(Input& input, const Image& image) {
  const Filter filter = static_cast<Filter>(input.below(3));
  const Region region{input.share() * image.width, input.share() * image.height, input.share() * image.width,
                      input.share() * image.height};
  const int width = 1 + input.below(64), height = 1 + input.below(64);
  const Image out = resize(image, region, width, height, filter);
  check_valid(out);
  require(out.width == width && out.height == height);
}

void transform(Input& input, const Image& image) {
  Preprocess p{.height = 1 + input.below(64), .width = 1 + input.below(64)};
  p.channels = input.below(2) == 0 ? 3 : 1;
  p.fit = input.below(2) == 0 ? Preprocess::Fit::crop : Preprocess::Fit::squash;
  p.crop_pct = input.share();
  p.filter = static_cast<Filter>(input.below(3));
  const TrainTransform t{
      .base = p,
      .scale_min = input.share(),
      .scale_max = input.share(),
      .ratio_min = 0.01 + input.share(),
      .ratio_max = 1 + 10 * input.share(),
      .hflip = input.share(),
      .augment = {kEnumNames<AugmentPolicy>[static_cast<std::size_t>(input.below(
                                                static_cast<int>(kEnumNames<AugmentPolicy>.size())))]
                      .value,
                  1 + input.below(3), input.below(31)},
      .erase = input.below(2) == 0 ? 1.0 : 0.0};
  std::vector<float> out(static_cast<std::size_t>(p.channels * p.height * p.width),
                         std::numeric_limits<float>::quiet_NaN());
  const auto require_filled = [&] {
    for (const float value : out) require(std::isfinite(value));
  };
  preprocess(image, p, out.data());
  require_filled();
  std::ranges::fill(out, std::numeric_limits<float>::quiet_NaN());
  Rng rng(input.next<std::uint64_t>());
  t(image, rng, out.data());
  require_filled();
  const int reduction = t.decode_reduction(image.width, image.height, rng);
  require(reduction == 1 || reduction == 2 || reduction == 4 || reduction == 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  Input input({data, size});
  const int kind = input.below(3);
  const Image image = input.picture();
  try {
    if (kind == 0) augment(input, image);
    if (kind == 1) resize_part(input, image);
    if (kind == 2) transform(input, image);
  } catch (const Error&) {  // settings out of range, and images too thin
  }
  return 0;
}
