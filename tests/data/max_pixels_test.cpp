// The limit on pixels: a setting, and larger JPEGs decoded at a part of their size rather than refused.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/image_folder.hpp"
#include "reducing.hpp"

using namespace minivit;
using namespace minivit::image;
using fixture::always, fixture::kReduces;

namespace {

// All are 23 x 17: 391 pixels.
std::string message(const std::string& name, const DecodeOptions& options) {
  return message_of<FileError>([&] { return decode_image(fixture::path("data_decode/" + name), options); });
}

}  // namespace

TEST_CASE("an image of more pixels than the limit is refused, of as many it is not") {
  for (const std::string name :
       {"baseline.jpg", "progressive.jpg", "rgba.png", "interlaced.png", "bits24.bmp"}) {
    CAPTURE(name);
    CHECK(message(name, {.max_pixels = 390})
              .ends_with(": the image is 23x17, expected at least 1x1 and at most 390 pixels"));
    CHECK(decode_image(fixture::path("data_decode/" + name), DecodeOptions{.max_pixels = 391}).width == 23);
  }
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, kLargestImage + 1})
    CHECK(message_of<ConfigError>([&] {
            return decode_image(fixture::path("data_decode/gray.png"), DecodeOptions{.max_pixels = bad});
          }) == str_cat("decode_image: max_pixels is ", bad, ", expected 1 to 1000000000"));
}

TEST_CASE("a JPEG beyond the limit is decoded at a part of its size, if that is asked for") {
  if (!kReduces) return;
  const auto file = fixture::path("data_decode/baseline.jpg");
  const Decoded quarter =
      decode_image(file, DecodeOptions{.choose_if_too_large = always(4), .max_pixels = 100});
  CHECK(quarter.reduction == 4);
  CHECK(quarter.width == 23);
  CHECK(quarter.image == decode_image(file, always(4)).image);
  // A half is still too much: 12 x 9.
  const DecodeOptions half{.choose_if_too_large = always(2), .max_pixels = 100};
  CHECK(message("baseline.jpg", half)
            .ends_with("the image is 23x17, expected at least 1x1 and at most 100 pixels"));
  // The decoder keeps all of a progressive image in memory, whatever it makes of it.
  const DecodeOptions eighth{.choose_if_too_large = always(8), .max_pixels = 100};
  CHECK(message("progressive.jpg", eighth).ends_with("at most 100 pixels"));
  CHECK(message("rgba.png", eighth).ends_with("at most 100 pixels"));
}

TEST_CASE("what is within the limit is not reduced, and what is far beyond it is refused unseen") {
  int asked = 0;
  const auto file = fixture::path("data_decode/baseline.jpg");
  const Decoded whole =
      decode_image(file, DecodeOptions{.choose_if_too_large = always(8, &asked), .max_pixels = 391});
  CHECK(whole.image == decode_image(file));
  CHECK(message("baseline.jpg",
                {.choose_if_too_large = always(8, &asked), .max_pixels = 48})  // an eighth of 391
            .find("the image is 23x17, expected at least 1x1 and at most") != std::string::npos);
  CHECK(asked == 0);
}

TEST_CASE("an image folder reduces only the JPEGs that are too large, with and without a cache") {
  if (!kReduces) return;
  const fixture::TemporaryFolder folder;
  for (const std::string name : {"a", "b"}) std::filesystem::create_directories(folder.path() / name);
  std::filesystem::copy_file(fixture::path("data_decode/baseline.jpg"), folder.path() / "a" / "large.jpg");
  fixture::write(folder.path() / "b" / "small.png", encode_png(fixture::noise(9, 9)));
  fixture::write(folder.path() / "b" / "too_large.png", encode_png(fixture::noise(11, 10)));
  const Preprocess p{.height = 4, .width = 4};
  std::vector<float> found(3 * 4 * 4), expected(found.size());
  Rng rng;
  for (const std::size_t cache : {0, 1 << 20}) {
    const ImageFolder data(folder.path(), p, {.cache_bytes = cache, .max_pixels = 100});
    for (int twice = 0; twice < 2; ++twice) {
      data.load(0, rng, found.data());
      to_tensor(fit_image(decode_image(data.paths()[0], always(4)), p), p, expected.data());
      CHECK(found == expected);
      data.load(1, rng, found.data());
      preprocess(decode_image(data.paths()[1]), p, expected.data());
      CHECK(found == expected);
      CHECK(message_of<FileError>([&] { data.load(2, rng, found.data()); }).ends_with("at most 100 pixels"));
    }
  }
}

TEST_CASE("the header alone says size and format, and is held to the limit") {
  const ImageInfo info = image_info(fixture::path("data_decode/rgba.png"));
  CHECK(info.format == "PNG");
  CHECK(info.width == 23);
  CHECK(info.height == 17);
  CHECK(info.orientation == 1);
  CHECK(message_of<FileError>([] {
          return image_info(fixture::path("data_decode/rgba.png"), {.max_pixels = 100});
        }).ends_with("at most 100 pixels"));
  const std::string text = "words";
  CHECK(message_of<FileError>([&] {
          return image_info({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "the file");
        }).starts_with("the file: not a JPEG, PNG"));
}
