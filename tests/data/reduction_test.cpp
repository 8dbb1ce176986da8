// Decoding JPEG at a part of its size: how small, that it changes nothing else, and that it is off unless
// asked for.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/data/image_cache.hpp"
#include "minivit/data/image_folder.hpp"
#include "minivit/data/loader.hpp"
#include "reducing.hpp"

using namespace minivit;
using namespace minivit::image;
using fixture::always, fixture::kReduces;
namespace fs = std::filesystem;

namespace {

Decoded decode(const std::string& name, int reduction) {
  return decode_image(fixture::path("data_decode/" + name), always(reduction));
}

// Two classes of JPEGs of 23 x 17 pixels, and a PNG of the same size.
void put_images(const fs::path& folder) {
  fs::create_directories(folder / "a");
  fs::create_directories(folder / "b");
  int number = 0;
  for (const std::string name :
       {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "rotated.jpg", "rgba.png"})
    for (int copy = 0; copy < 3; ++copy)
      fs::copy_file(fixture::path("data_decode/" + name),
                    folder / (copy == 1 ? "a" : "b") /
                        (std::to_string(number++) + fs::path(name).extension().string()));
}

// The images of some epochs, one behind the other.
std::vector<float> epochs(const ImageFolder& data, int workers) {
  DataLoader loader(data, {.batch_size = 4, .shuffle = true, .seed = 3, .workers = workers});
  std::vector<float> all;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch)
    for (const Batch& batch : loader.epoch(epoch))
      all.insert(all.end(), batch.images.values().begin(), batch.images.values().end());
  return all;
}

}  // namespace

TEST_CASE("the reduction leaves pixels enough") {
  using image::detail::reduction_for;
  CHECK(reduction_for(224, 224, 224, 224) == 1);
  CHECK(reduction_for(447, 1000, 224, 224) == 1);
  CHECK(reduction_for(448, 448, 224, 224) == 2);
  CHECK(reduction_for(895, 896, 224, 224) == 2);
  CHECK(reduction_for(896, 896, 224, 224) == 4);
  CHECK(reduction_for(4000, 3000, 224, 224) == 8);
  CHECK(reduction_for(64000, 1000, 1, 1) == 8);
  CHECK(reduction_for(100, 400, 50, 100) == 2);  // the direction with less to spare decides
  CHECK(reduction_for(10, 10, 224, 224) == 1);
  CHECK(reduction_for(1'000'000'000, 1'000'000'000, 500'000'000, 500'000'000) == 2);  // no overflow
}

TEST_CASE("for evaluation the size before the center crop counts") {
  const Preprocess squash{.height = 100, .width = 50};
  CHECK(decode_reduction(200, 200, squash) == 2);
  CHECK(decode_reduction(100, 400, squash) == 2);
  Preprocess crop{.height = 100, .width = 100, .fit = Preprocess::Fit::crop};
  CHECK(decode_reduction(2000, 200, crop) == 2);
  CHECK(decode_reduction(2000, 199, crop) == 1);
  crop.crop_pct = 0.5;  // the short edge becomes 200
  CHECK(decode_reduction(2000, 399, crop) == 1);
  CHECK(decode_reduction(2000, 400, crop) == 2);
  crop.filter = Filter::nearest;
  CHECK(decode_reduction(2000, 2000, crop) == 1);
  CHECK(message_of<ShapeError>([] {
          return decode_reduction(20000, 1, Preprocess{.fit = Preprocess::Fit::crop});
        }).starts_with("preprocess: an image of 20000x1"));
}

TEST_CASE("for training the part that is going to be cut out counts") {
  const TrainTransform t{.base = {.height = 32, .width = 32}, .scale_min = 0.01};
  int seen[9] = {};
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    const int reduction = t.decode_reduction(400, 300, rng);  // a copy of rng: nothing is drawn from it
    const Box box = t.draw_box(400, 300, rng);
    CHECK(reduction == image::detail::reduction_for(box.width, box.height, 32, 32));
    ++seen[reduction];
  }
  for (const int reduction : {1, 2, 4, 8}) CHECK(seen[reduction] > 0);
  const TrainTransform fixed{.base = {.height = 32, .width = 32}, .scale_min = 1};
  CHECK(fixed.decode_reduction(128, 128, Rng()) == 4);
}

TEST_CASE("a reduced JPEG has its size divided and rounded up, and knows the file's") {
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"})
    for (const auto& size : {std::array{1, 23, 17}, {2, 12, 9}, {4, 6, 5}, {8, 3, 3}}) {
      const int reduction = size[0], width = size[1], height = size[2];
      CAPTURE(name);
      CAPTURE(reduction);
      const Decoded d = decode(name, reduction);
      CHECK(d.width == 23);
      CHECK(d.height == 17);
      CHECK(d.reducible == kReduces);
      CHECK(d.reduction == (kReduces ? reduction : 1));
      CHECK(d.image.width == (kReduces ? width : 23));
      CHECK(d.image.height == (kReduces ? height : 17));
      CHECK(d.image.pixels.size() == d.image.stride() * static_cast<std::size_t>(d.image.height));
    }
  CHECK(decode("baseline.jpg", 1).image == decode_image(fixture::path("data_decode/baseline.jpg")));
  const Decoded png = decode("rgba.png", 4);
  CHECK(png.reduction == 1);
  CHECK_FALSE(png.reducible);
  CHECK(png.image == decode_image(fixture::path("data_decode/rgba.png")));
  if (kReduces)
    for (const int bad : {0, 3, 16})
      CHECK(message_of<Error>([&] { decode("baseline.jpg", bad); }) ==
            str_cat("decode_image: reduction is ", bad, ", expected 1, 2, 4 or 8"));
}

TEST_CASE("a reduced JPEG shows the same") {
  const Preprocess p{.height = 4, .width = 5};
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"}) {
    CAPTURE(name);
    const Image exact = fit_image(decode(name, 1), p), reduced = fit_image(decode(name, 4), p);
    double sum = 0;
    for (std::size_t i = 0; i < exact.pixels.size(); ++i)
      sum += std::abs(exact.pixels[i] - reduced.pixels[i]);
    CHECK(sum / static_cast<double>(exact.pixels.size()) < 6);
  }
}

TEST_CASE("a reduced image that does not fit its file is refused") {
  const Preprocess p{.height = 4, .width = 5};
  for (const auto& file : {std::array{25, 16, 2}, {12, 10, 1}, {22, 17, 2}, {12, 8, 0}}) {
    const int width = file[0], height = file[1], reduction = file[2];
    CHECK(message_of<ShapeError>([&] {
            return fit_image(Decoded{make_image(12, 8), width, height, reduction}, p);
          }) == str_cat("preprocess: image is 12x8, expected 1/", reduction, " of ", width, "x", height));
  }
}

TEST_CASE("the limit holds for the size of the file, whatever is made of it") {
  auto jpeg = fixture::read(fixture::path("data_decode/baseline.jpg"));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) jpeg[i + 5] = jpeg[i + 7] = 0xFF;
  bool asked = false;
  const std::string message = message_of<FileError>([&] {
    return decode_image(jpeg, "the file", [&](int, int) {
      asked = true;
      return 8;
    });
  });
  CHECK(message.ends_with("expected at least 1x1 and at most 178956970 pixels"));
  CHECK_FALSE(asked);
}

TEST_CASE("a damaged JPEG is as damaged when it is reduced") {
  if (!kReduces) return;  // and stb_image's messages may stem from the file before
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "cmyk.jpg"}) {
    CAPTURE(name);
    const auto bytes = fixture::read(fixture::path("data_decode/" + name));
    const auto message = [](const std::vector<std::uint8_t>& file, int reduction) {
      return message_of<FileError>([&] { return decode_image(file, "the file", always(reduction)); });
    };
    for (std::size_t length = 0; length < bytes.size(); length += 3) {
      const std::vector cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
      const std::string expected = message(cut, 1);
      for (const int reduction : {2, 8}) CHECK(message(cut, reduction) == expected);
    }
    for (std::size_t i = 2; i < bytes.size(); i += 5) {
      auto changed = bytes;
      changed[i] ^= 0xFF;
      const std::string expected = message(changed, 1);
      for (const int reduction : {2, 8}) CHECK(message(changed, reduction) == expected);
    }
  }
}

TEST_CASE("batches do not depend on workers and cache, with and without fast_decode") {
  const fixture::TemporaryFolder folder;
  put_images(folder.path());
  // Parts of 6 to 23 pixels for an image of 4: reductions 1, 2 and 4 occur.
  const TrainTransform random{
      .base = {.height = 4, .width = 4}, .scale_min = 0.1, .augment = {AugmentPolicy::trivial}};
  TrainTransform fixed = random;
  fixed.scale_min = 1;
  std::vector<std::vector<float>> seen;
  for (const Transform& transform : {Transform(random), Transform(fixed), Transform(random.base)})
    for (const bool fast : {false, true}) {
      CAPTURE(fast);
      const auto expected = epochs(ImageFolder(folder.path(), transform, {.fast_decode = fast}), 0);
      for (const int workers : {0, 1, 3})
        // Everything, some of it, nothing.
        for (const std::size_t cache : {1 << 20, 4000, 0}) {
          CAPTURE(workers);
          CAPTURE(cache);
          const ImageFolder data(folder.path(), transform, {.cache_bytes = cache, .fast_decode = fast});
          CHECK(epochs(data, workers) == expected);
        }
      seen.push_back(expected);
    }
  CHECK((seen[0] != seen[1]) == kReduces);
}

TEST_CASE("a cache keeps reductions apart") {
  image::detail::ImageCache cache(10'000);
  CHECK(cache.find(3, always(1)) == nullptr);
  const auto keep = [&](std::size_t index, int reduction, bool reducible = true) {
    const int side = 32 / reduction;
    auto image = std::make_shared<Decoded>(Decoded{make_image(side, side), 32, 32, reduction, reducible});
    cache.keep(index, image);
    return image;
  };
  const auto half = keep(3, 2), quarter = keep(3, 4);  // 768 and 192 bytes
  CHECK(cache.find(3, always(2)) == half);
  CHECK(cache.find(3, always(4)) == quarter);
  CHECK(cache.find(3, always(1)) == nullptr);
  keep(3, 2);
  CHECK(cache.find(3, always(2)) == half);  // the first stays
  const auto png = keep(4, 1, false);       // 3072 bytes
  CHECK(cache.find(4, always(8)) == png);
  keep(5, 1), keep(6, 1);  // the second has no room left
  CHECK(cache.find(5, always(1)) != nullptr);
  CHECK(cache.find(6, always(1)) == nullptr);
}

TEST_CASE("an image folder is exact unless asked for speed") {
  const fixture::TemporaryFolder folder;
  put_images(folder.path());
  const Preprocess p{.height = 4, .width = 4, .fit = Preprocess::Fit::crop};
  const ImageFolder data(folder.path(), p);
  std::vector<float> found(48), expected(48);
  Rng rng;
  for (std::size_t i = 0; i < data.size(); ++i) {
    data.load(i, rng, found.data());
    preprocess(decode_image(data.paths()[i]), p, expected.data());
    CHECK(found == expected);
  }
}
