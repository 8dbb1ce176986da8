#include "minivit/data/transform.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

// Image to image: adds a random number to every value.
struct Brighter {
  int most = 50;
  void validate() const {
    check<ConfigError>(most >= 1, "brighter: most is ", most, ", expected at least 1");
  }
  Image operator()(const Image& image, Rng& rng) const {
    Image out = image;
    const auto by = static_cast<std::uint8_t>(rng.below(static_cast<std::uint32_t>(most)));
    for (auto& value : out.pixels) value = static_cast<std::uint8_t>(value + by);
    return out;
  }
};

// Image to planes, with nothing but what the concept asks for.
struct FirstPixel {
  Shape sample_shape() const { return {3, 1, 1}; }
  void operator()(const Image& image, Rng&, float* out) const {
    for (std::size_t c = 0; c < 3; ++c) out[c] = image.pixels[c];
  }
};

static_assert(ImageTransform<Brighter> && !PlaneTransform<Brighter>);
static_assert(PlaneTransform<FirstPixel> && !ImageTransform<FirstPixel>);
static_assert(ImageTransform<Image (*)(const Image&, Rng&)>);
static_assert(ImageTransform<Chain<Brighter, Brighter>> && !PlaneTransform<Chain<Brighter, Brighter>>);
static_assert(PlaneTransform<Chain<Brighter, FirstPixel>>);

std::vector<float> run(const TrainTransform& transform, const Image& image, std::uint64_t seed) {
  std::vector<float> out(static_cast<std::size_t>(3 * transform.base.height * transform.base.width));
  Rng rng(seed);
  transform(image, rng, out.data());
  return out;
}

}  // namespace

TEST_CASE("to_tensor writes normalized planes") {
  const Image image = fixture::noise(5, 4);
  Preprocess p{.height = 4, .width = 5};
  p.mean = {0.5f, 0.4f, 0.3f};
  p.std = {0.1f, 0.2f, 0.25f};
  std::vector<float> out(60);
  to_tensor(image, p, out.data());
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 20; ++i)
      CHECK(out[c * 20 + i] == (static_cast<float>(image.pixels[i * 3 + c]) / 255.0f - p.mean[c]) / p.std[c]);
}

TEST_CASE("squashing keeps a share of the edges, too, as DeiT's image processor does") {
  const Preprocess p{.height = 16, .width = 16, .fit = Preprocess::Fit::squash, .crop_pct = 0.8};
  CHECK(image::detail::size_before_crop(100, 50, p) == std::array{20, 20});
  const Image image = make_image(40, 60);
  const Image whole = fit_image(image, {.height = 20, .width = 20}), part = fit_image(image, p);
  for (int y = 0; y < 16; ++y)
    for (int i = 0; i < 16 * 3; ++i) REQUIRE(part.row(y)[i] == whole.row(y + 2)[i + 2 * 3]);
}

TEST_CASE("a gray picture is the luma of the normalized channels, in training, too") {
  const Image image = make_image(20, 16);
  Image colors = image;
  for (std::size_t i = 0; i < colors.pixels.size(); ++i)
    colors.pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  Preprocess p{.height = 16, .width = 20};
  std::vector<float> planes(3 * 16 * 20), gray(16 * 20), trained(16 * 20);
  preprocess(colors, p, planes.data());
  p.channels = 1;
  preprocess(colors, p, gray.data());
  TrainTransform t{.base = p, .scale_min = 1.0, .hflip = 1.0};
  Rng rng(1);
  t(colors, rng, trained.data());
  for (std::size_t y = 0; y < 16; ++y)
    for (std::size_t x = 0; x < 20; ++x) {
      const std::size_t i = y * 20 + x;
      const float luma = 0.299f * planes[i] + 0.587f * planes[320 + i] + 0.114f * planes[640 + i];
      REQUIRE(gray[i] == doctest::Approx(luma).epsilon(1e-5));
      REQUIRE(trained[y * 20 + 19 - x] == gray[i]);
    }
  p.channels = 2;
  CHECK(message_of<ConfigError>([&] { p.validate(); }) ==
        "preprocess: channels is 2, expected 3, or 1 for gray");
}

TEST_CASE("crop geometry is timm's") {
  const Image photo = decode_image(fixture::path("resize/photo.png"));
  Preprocess p{.fit = Preprocess::Fit::crop, .crop_pct = 0.9};  // shortest edge to 248
  CHECK(fixture::difference(fit_image(photo, p), decode_image(fixture::path("resize/center_crop_224.png"))) ==
        0);

  // The sizes of torchvision's Resize(shortest edge): the longer one is cut, not rounded.
  const auto size = [](int w, int h, int target_w, int target_h) {
    const Preprocess q{.height = target_h, .width = target_w, .fit = Preprocess::Fit::crop};
    return image::detail::size_before_crop(make_image(w, h), q);
  };
  CHECK(size(223, 301, 248, 248) == std::array{248, 334});
  CHECK(size(301, 223, 248, 248) == std::array{334, 248});
  CHECK(size(10, 10, 7, 7) == std::array{7, 7});
  // timm's ResizeKeepRatio for a size that is not square: rounded, neither side too small.
  CHECK(size(300, 200, 100, 50) == std::array{100, 67});
  CHECK(size(200, 300, 100, 50) == std::array{100, 150});
  // Halves go to the even neighbor.
  CHECK(image::detail::center_start(5, 4) == 0);
  CHECK(image::detail::center_start(7, 4) == 2);
  CHECK(image::detail::center_start(8, 4) == 2);
}

TEST_CASE("squash geometry is one resize") {
  const Image image = fixture::noise(30, 20);
  const Preprocess p{.height = 8, .width = 12, .filter = Filter::bilinear};
  CHECK(fit_image(image, p) == resize(image, 12, 8, Filter::bilinear));
  std::vector<float> a(288), b(288);
  preprocess(image, p, a.data());
  to_tensor(fit_image(image, p), p, b.data());
  CHECK(a == b);
}

TEST_CASE("random boxes have the areas and shapes asked for") {
  const TrainTransform t{.scale_min = 0.3, .scale_max = 0.6};
  double least = 1, most = 0, left = 0, shape = 0;
  constexpr int kDraws = 2000;
  for (int i = 0; i < kDraws; ++i) {
    Rng rng(3, static_cast<std::uint64_t>(i));
    const Box box = t.draw_box(400, 300, rng);
    REQUIRE(box.left >= 0);
    REQUIRE(box.top >= 0);
    REQUIRE(box.left + box.width <= 400);
    REQUIRE(box.top + box.height <= 300);
    const double area = box.width * box.height / 120000.0,
                 ratio = static_cast<double>(box.width) / box.height;
    CHECK(ratio > 0.74);
    CHECK(ratio < 1.35);
    least = std::min(least, area), most = std::max(most, area);
    shape += std::log(ratio) / kDraws;
    left += box.left / (400.0 - box.width) / kDraws;
  }
  CHECK(least == doctest::Approx(0.3).epsilon(0.02));
  CHECK(most == doctest::Approx(0.6).epsilon(0.02));
  CHECK(std::abs(shape) < 0.02);
  CHECK(left == doctest::Approx(0.5).epsilon(0.04));
}

TEST_CASE("an image too thin for any try is cut in the middle") {
  const TrainTransform t;
  Rng rng(1);
  const Box wide = t.draw_box(1000, 30, rng);
  CHECK(wide.width == 40);
  CHECK(wide.height == 30);
  CHECK(wide.left == 480);
  CHECK(wide.top == 0);
  const Box tall = t.draw_box(30, 1000, rng);
  CHECK(tall.width == 30);
  CHECK(tall.height == 40);
  CHECK(tall.top == 480);
  const Box dot = t.draw_box(1, 1, rng);
  CHECK(dot.width * dot.height == 1);
}

TEST_CASE("training transform without chance is the evaluation transform") {
  const Image image = fixture::noise(40, 30);
  const TrainTransform t{.base = {.height = 8, .width = 8}, .scale_min = 1, .scale_max = 1, .hflip = 0};
  std::vector<float> expected(192);
  preprocess(image, t.base, expected.data());
  CHECK(run(t, image, 1) == expected);
}

TEST_CASE("mirroring happens as often as asked, and mirrors") {
  const Image image = fixture::noise(8, 8);
  TrainTransform t{.base = {.height = 8, .width = 8}, .scale_min = 1, .scale_max = 1, .hflip = 1};
  std::vector<float> straight(192), mirrored(192);
  to_tensor(image, t.base, straight.data());
  to_tensor(flip(image), t.base, mirrored.data());
  CHECK(run(t, image, 1) == mirrored);
  t.hflip = 0.25;
  int count = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) count += run(t, image, seed) == mirrored;
  CHECK(count == doctest::Approx(500).epsilon(0.15));
}

TEST_CASE("training transform is a function of the random stream") {
  const Image image = fixture::noise(60, 40);
  const TrainTransform t{.base = {.height = 16, .width = 16}, .augment = {AugmentPolicy::trivial}};
  CHECK(run(t, image, 4) == run(t, image, 4));
  CHECK(run(t, image, 4) != run(t, image, 5));
  // Geometry, mirroring, operation: in this order, from one stream.
  Rng rng(4);
  const Box box = t.draw_box(60, 40, rng);
  Image expected = resize(crop(image, box.left, box.top, box.width, box.height), 16, 16, t.base.filter);
  if (rng.uniform() < 0.5f) expected = flip(expected);
  std::vector<float> out(768);
  to_tensor(trivial_augment(expected, rng), t.base, out.data());
  CHECK(run(t, image, 4) == out);
}

TEST_CASE("one pass gives what mirroring, augmenting and normalizing one after the other give") {
  const Image image = fixture::noise(24, 20);
  const TrainTransform t{.base = {.height = 20, .width = 24},
                         .scale_min = 1,
                         .scale_max = 1,
                         .augment = {AugmentPolicy::trivial}};
  std::set<std::pair<const AugmentOp*, bool>> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    const bool mirrored = rng.uniform() < 0.5f;
    Rng peek = rng;
    seen.emplace(draw_trivial_augment(peek).op, mirrored);
    const Image expected = trivial_augment(mirrored ? flip(image) : image, rng);
    const std::vector<float> found = run(t, image, seed);
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 480; ++i)
        REQUIRE(found[c * 480 + i] ==
                (static_cast<float>(expected.pixels[i * 3 + c]) / 255.0f - t.base.mean[c]) / t.base.std[c]);
  }
  CHECK(seen.size() == 2 * kTrivialAugmentWide.size());
}

TEST_CASE("random erasing sets a box of the area and shape asked for to 0, and nothing else") {
  const Image image = fixture::noise(24, 16);
  TrainTransform plain{.base = {.height = 32, .width = 48}, .scale_min = 1, .hflip = 0};
  TrainTransform erasing = plain;
  erasing.erase = 0.5;
  const std::vector<float> whole = run(plain, image, 1);
  int erased = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<float> out = run(erasing, image, seed);
    // The same draws once more: of mirroring first.
    Rng rng(seed);
    static_cast<void>(rng.uniform());
    const bool erases = rng.uniform() < 0.5;
    const Box box = erases ? erasing.draw_erasure(rng) : Box{};
    erased += erases;
    bool as_expected = true;
    for (int c = 0, i = 0; c < 3; ++c)
      for (int y = 0; y < 32; ++y)
        for (int x = 0; x < 48; ++x, ++i) {
          const bool inside =
              y >= box.top && y < box.top + box.height && x >= box.left && x < box.left + box.width;
          const auto at = static_cast<std::size_t>(i);
          as_expected = as_expected && out[at] == (inside ? 0.0f : whole[at]);
        }
    CHECK(as_expected);
    if (!erases) continue;
    const double area = static_cast<double>(box.width) * box.height / (32 * 48);
    CHECK((area > 0.015 && area < 0.35));
    const double ratio = static_cast<double>(box.width) / box.height;
    CHECK((ratio > 1 / 3.8 && ratio < 3.8));  // sides are whole pixels
    CHECK((box.left >= 0 && box.left + box.width <= 48 && box.top >= 0 && box.top + box.height <= 32));
  }
  CHECK((erased > 115 && erased < 185));
  // Too narrow for any box.
  Rng rng(1);
  const Box none = TrainTransform{.base = {.height = 64, .width = 1}}.draw_erasure(rng);
  CHECK((none.width == 0 && none.height == 0));
  CHECK_THROWS_AS((TrainTransform{.erase = 1.5}.validate()), ConfigError);
}

TEST_CASE("a center crop is cut out of the resized image") {
  for (const auto& [w, h] : {std::pair{90, 40}, {40, 90}, {57, 57}, {20, 33}})
    for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic}) {
      const Image image = fixture::noise(w, h);
      const Preprocess p{
          .height = 30, .width = 30, .fit = Preprocess::Fit::crop, .crop_pct = 0.8, .filter = filter};
      const auto [to_w, to_h] = image::detail::size_before_crop(image, p);
      const Image resized = resize(image, to_w, to_h, filter);
      CHECK(fit_image(image, p) == crop(resized, image::detail::center_start(to_w, 30),
                                        image::detail::center_start(to_h, 30), 30, 30));
    }
}

TEST_CASE("settings and images out of range are refused") {
  const auto invalid = [](auto change) {
    TrainTransform t;
    change(t);
    return message_of<ConfigError>([&] { t.validate(); });
  };
  CHECK(invalid([](auto& t) { t.base.width = 0; }) == "preprocess: width is 0, expected 1 to 64000000");
  CHECK(invalid([](auto& t) { t.base.height = t.base.width = 10000; }) ==
        "preprocess: size is 10000x10000, expected at most 64000000 pixels");
  CHECK(invalid([](auto& t) { t.base.channels = 2; }) ==
        "preprocess: channels is 2, expected 3, or 1 for gray");
  CHECK(invalid([](auto& t) { t.base.crop_pct = 0; }) ==
        "preprocess: crop_pct is 0, expected above 0 and at most 1");
  CHECK(invalid([](auto& t) { t.base.crop_pct = NAN; }).starts_with("preprocess: crop_pct is nan"));
  for (const double tiny : {1e-4, 1e-9, 1e-300, 5e-324})
    for (const auto fit : {Preprocess::Fit::squash, Preprocess::Fit::crop}) {
      const Preprocess p{.fit = fit, .crop_pct = tiny};
      CHECK(
          message_of<ConfigError>([&] { p.validate(); }) ==
          str_cat("preprocess: crop_pct is ", tiny, ", which cuts 224x224 out of more than 64000000 pixels"));
    }
  for (const double bad : {0.0, -1e-300, 1e300, static_cast<double>(NAN), 1e-300})
    CHECK(message_of<ConfigError>([&] {
            return decode_reduction(100, 100, Preprocess{.crop_pct = bad});
          }).starts_with("preprocess: crop_pct is "));
  CHECK(invalid([](auto& t) { t.base.std[1] = 0; }) == "preprocess: std[1] is 0, expected 1e-05 to 1000");
  CHECK(invalid([](auto& t) { t.base.mean[2] = INFINITY; }) ==
        "preprocess: mean[2] is inf, expected -1000 to 1000");
  CHECK(invalid([](auto& t) { t.scale_min = 0; }).starts_with("transform: scale is 0 to 1"));
  CHECK(invalid([](auto& t) { t.ratio_max = 0.5; }).starts_with("transform: ratio is 0.75 to 0.5"));
  CHECK(invalid([](auto& t) { t.hflip = 1.5; }).starts_with("transform: hflip is 1.5"));

  std::vector<float> out(3 * 224 * 224);
  const Preprocess p{.fit = Preprocess::Fit::crop};
  CHECK(message_of<ShapeError>([&] { to_tensor(fixture::noise(5, 4), p, out.data()); }) ==
        "to_tensor: image is 5x4, expected 224x224; see fit_image");
  CHECK(message_of<ShapeError>([&] { preprocess(fixture::noise(5, 4, 1), p, out.data()); }) ==
        "preprocess: image has 1 channels, expected 3 (RGB)");
  CHECK(message_of<ShapeError>([&] { preprocess(make_image(20000, 1), p, out.data()); }) ==
        "preprocess: an image of 20000x1 would become 4480000x224, more than 64000000 pixels");
}

TEST_CASE("a chain is its transforms one after the other, from one stream") {
  const Image image = fixture::noise(12, 9);
  const Preprocess p{.height = 9, .width = 12};
  const Chain chain{Brighter{}, Chain{trivial_augment, p}};
  CHECK(chain.sample_shape() == Shape{3, 9, 12});
  std::vector<float> expected(324), found(324);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed), same(seed);
    const Image brighter = Brighter{}(image, rng);
    preprocess(trivial_augment(brighter, rng), p, expected.data());
    chain(image, same, found.data());
    REQUIRE(found == expected);
  }
  CHECK(message_of<ConfigError>([] {
          Transform(Chain{Brighter{0}, FirstPixel{}});
        }) == "brighter: most is 0, expected at least 1");
  CHECK(message_of<ConfigError>([] {
          Transform(Chain{Brighter{}, Preprocess{.width = 0}});
        }) == "preprocess: width is 0, expected 1 to 64000000");
}

TEST_CASE("a Transform does what it was made from does") {
  const Image image = fixture::noise(40, 30);
  const TrainTransform random{.base = {.height = 8, .width = 8}, .augment = {AugmentPolicy::trivial}};
  TrainTransform fixed = random;
  fixed.scale_min = 1;
  const auto run_any = [&](const Transform& any, std::uint64_t seed) {
    std::vector<float> out(static_cast<std::size_t>(any.sample_shape().numel()));
    Decoded decoded{image, image.width, image.height, 1, false};
    any.prepare(decoded);
    Rng rng(seed);
    any.finish(decoded, rng, out.data());
    return out;
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(run_any(random, seed) == run(random, image, seed));
    CHECK(run_any(fixed, seed) == run(fixed, image, seed));
    Rng rng(seed), same(seed);
    CHECK(Transform(random).decode_reduction(400, 300, rng) == random.decode_reduction(400, 300, same));
  }
  std::vector<float> expected(192);
  preprocess(image, random.base, expected.data());
  CHECK(run_any(random.base, 1) == expected);
  CHECK(run_any(FirstPixel{}, 1) == std::vector<float>(image.pixels.begin(), image.pixels.begin() + 3));
  CHECK(Transform(FirstPixel{}).decode_reduction(4000, 3000, Rng()) == 1);
}
