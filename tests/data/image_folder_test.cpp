#include "minivit/data/image_folder.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/data/image_formats.hpp"

using namespace minivit;
using namespace minivit::image;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& file, std::uint8_t shade = 100, int width = 6, int height = 4) {
  fs::create_directories(file.parent_path());
  encode_png(file, fixture::plain(width, height, shade, shade, shade));
}

const Preprocess kSmall{.height = 4, .width = 6, .mean = {0, 0, 0}, .std = {1, 1, 1}};

std::vector<float> load(const ImageFolder& data, std::size_t index, std::uint64_t seed = 0) {
  std::vector<float> out(static_cast<std::size_t>(data.sample_shape().numel()));
  Rng rng(seed);
  data.load(index, rng, out.data());
  return out;
}

}  // namespace

TEST_CASE("classes by name, samples by path, names in any case") {
  const fixture::TemporaryFolder folder;
  put(folder.path() / "b" / "2.PNG", 20);
  put(folder.path() / "b" / "10.png", 10);
  put(folder.path() / "b" / "deep" / "er" / "x.png", 30);
  put(folder.path() / "B" / "y.JpEg", 40);  // told by its first bytes, not by its name
  put(folder.path() / "a b" / "z.bmp", 50);
  put(folder.path() / "b" / ".hidden.png");
  put(folder.path() / "b" / ".cache" / "x.png");
  put(folder.path() / ".git" / "x.png");
  fixture::write(folder.path() / "b" / "notes.txt", "no image");
  fixture::write(folder.path() / "readme.md", "no class");

  const ImageFolder data(folder.path(), kSmall);
  CHECK(data.classes() == std::vector<std::string>{"B", "a b", "b"});
  CHECK(data.labels() == std::vector<int>{0, 1, 2, 2, 2});
  REQUIRE(data.size() == 5);
  CHECK(data.name(2) == folder.str() + "/b/10.png");
  CHECK(data.name(3) == folder.str() + "/b/2.PNG");
  CHECK(data.name(4) == folder.str() + "/b/deep/er/x.png");
  CHECK(data.paths()[0] == folder.path() / "B" / "y.JpEg");
  CHECK(data.sample_shape() == Shape{3, 4, 6});
  for (const auto& [index, shade] : {std::pair{0, 40}, {1, 50}, {2, 10}, {3, 20}, {4, 30}})
    CHECK(load(data, static_cast<std::size_t>(index)) ==
          std::vector<float>(72, static_cast<float>(shade) / 255.0f));
  Rng rng;
  float out[72];
  CHECK(data.load(3, rng, out) == 2);
  CHECK(message_of<Error>([&] { data.load(5, rng, out); }) == "ImageFolder: sample 5 of 5");
}

TEST_CASE("without labels every image counts, in whatever folder") {
  const fixture::TemporaryFolder folder;
  put(folder.path() / "a.png", 10);
  put(folder.path() / "b" / "c" / "d.png", 20);
  put(folder.path() / "b" / "e.png", 30);
  put(folder.path() / ".hidden.png");
  const ImageFolder data(folder.path(), kSmall, {.unlabeled = true});
  REQUIRE(data.size() == 3);
  CHECK(data.name(0) == folder.str() + "/a.png");
  CHECK(data.name(1) == folder.str() + "/b/c/d.png");
  CHECK(data.labels() == std::vector<int>(3));
  CHECK(data.classes() == std::vector<std::string>{""});
  CHECK(data.beside() == 0);
  CHECK(load(data, 2) == std::vector<float>(72, 30.0f / 255.0f));
  const fixture::TemporaryFolder empty;
  CHECK(message_of<FileError>([&] {
          ImageFolder(empty.path(), kSmall, {.unlabeled = true});
        }).starts_with(empty.str() + ": holds no images ("));
  CHECK(message_of<FileError>([&] {
          ImageFolder(empty.path() / "x", kSmall, {.unlabeled = true});
        }).starts_with(empty.str() + "/x: no such folder, expected one of images"));
}

TEST_CASE("linked folders are entered, loops are not") {
  const fixture::TemporaryFolder folder, elsewhere;
  put(folder.path() / "root" / "a" / "1.png");
  put(folder.path() / "root" / "b" / "1.png");
  put(elsewhere.path() / "2.png");
  fs::create_directory_symlink(elsewhere.path(), folder.path() / "root" / "a" / "more");
  fs::create_directory_symlink(folder.path() / "root" / "a", folder.path() / "root" / "a" / "again");
  fs::create_directory_symlink(folder.path() / "root" / "a", elsewhere.path() / "back");
  fs::create_symlink("nowhere", folder.path() / "root" / "b" / "broken.png");
  const ImageFolder data(folder.path() / "root", kSmall);
  CHECK(data.labels() == std::vector<int>{0, 0, 1, 1});
  CHECK(data.name(1).ends_with("/a/more/2.png"));
  CHECK(message_of<FileError>([&] { load(data, 3); }).ends_with("broken.png: No such file or directory"));
}

TEST_CASE("folders that cannot serve are refused by name") {
  const fixture::TemporaryFolder folder;
  const auto message = [](const fs::path& path, ImageFolderOptions options = {}) {
    return message_of<FileError>([&] { ImageFolder(path, kSmall, options); });
  };
  const std::string root = folder.str();
  const std::string expected = ", expected one with a sub-folder of images for each class";
  CHECK(message(folder.path() / "missing") == root + "/missing: no such folder" + expected);
  put(folder.path() / "file" / "x.png");
  CHECK(message(folder.path() / "file" / "x.png") == root + "/file/x.png: not a folder" + expected);
  CHECK(message(folder.path() / "file") == root + "/file: holds no folders, expected one for each class");
  CHECK(message(folder.path()) == root + ": holds only the class \"file\", expected at least two");
  CHECK(ImageFolder(folder.path(), kSmall, {.classes = {"other", "file"}}).labels() == std::vector<int>{1});
  fs::create_directories(folder.path() / "empty" / "deeper");
  CHECK(message(folder.path()) == root + "/empty: class \"empty\" holds no images (" +
                                      image::detail::format_suffixes() + "); add some or remove the folder");
  put(folder.path() / "empty" / "1.png");
  CHECK(message(folder.path(), {.classes = {"file", "x"}}) ==
        root +
            "/empty: class \"empty\" is not among the 2 known classes (file, x); rename or remove the "
            "folder, or train with it");
  CHECK(ImageFolder(folder.path(), kSmall).size() == 2);
  CHECK(message_of<ConfigError>([&] { ImageFolder(folder.path(), Preprocess{.width = 0}); }) ==
        "preprocess: width is 0, expected 1 to 64000000");

  fs::permissions(folder.path() / "empty", fs::perms::none);
  if (::geteuid() != 0)  // for root everything is readable
    CHECK(message(folder.path()).starts_with(root + "/empty: cannot be read: "));
  fs::permissions(folder.path() / "empty", fs::perms::owner_all);
}

TEST_CASE("training and evaluation transforms") {
  const fixture::TemporaryFolder folder;
  fs::create_directories(folder.path() / "a");
  encode_png(folder.path() / "a" / "1.png", fixture::noise(40, 30));
  put(folder.path() / "b" / "1.png");
  const TrainTransform t{.base = kSmall, .augment = {AugmentPolicy::trivial}};
  const ImageFolder train(folder.path(), t), validation(folder.path(), kSmall);
  std::vector<float> expected(72);
  Rng rng(9);
  t(fixture::noise(40, 30), rng, expected.data());
  CHECK(load(train, 0, 9) == expected);
  preprocess(fixture::noise(40, 30), kSmall, expected.data());
  CHECK(load(validation, 0, 9) == expected);
  CHECK(load(validation, 0, 10) == expected);
}

TEST_CASE("any callable with a sample shape is a transform") {
  struct Size {  // what it sees: width and height
    Shape sample_shape() const { return {2, 1, 1}; }
    void operator()(const Image& image, Rng&, float* out) const {
      out[0] = static_cast<float>(image.width), out[1] = static_cast<float>(image.height);
    }
  };
  const fixture::TemporaryFolder folder;
  fs::create_directories(folder.path() / "a");
  encode_png(folder.path() / "a" / "1.png", fixture::noise(40, 30));
  fs::create_directories(folder.path() / "b");
  fs::copy_file(fixture::path("data_decode/baseline.jpg"), folder.path() / "b" / "1.jpg");
  for (const std::size_t cache : {std::size_t{0}, std::size_t{1} << 20}) {
    const ImageFolder data(folder.path(), Size{}, {.cache_bytes = cache, .fast_decode = true});
    CHECK(data.sample_shape() == Shape{2, 1, 1});
    for (int repeat = 0; repeat < 2; ++repeat) {
      CHECK(load(data, 0) == std::vector<float>{40, 30});
      CHECK(load(data, 1) == std::vector<float>{23, 17});
    }
  }
}

TEST_CASE("a sample that cannot be brought to size is a FileError of that file") {
  const fixture::TemporaryFolder folder;
  put(folder.path() / "a" / "thin.png", 1, 20000, 1);
  put(folder.path() / "b" / "1.png");
  const ImageFolder data(folder.path(), Preprocess{.fit = Preprocess::Fit::crop});
  CHECK(message_of<FileError>([&] {
          load(data, 0);
        }).starts_with(folder.str() + "/a/thin.png: preprocess: an image of"));
}

TEST_CASE("what is cached is not read again") {
  for (const bool training : {false, true}) {
    const fixture::TemporaryFolder folder;
    for (int i = 0; i < 4; ++i)
      put(folder.path() / (i % 2 ? "a" : "b") / (std::to_string(i) + ".png"), 50, 12, 8);
    const Transform transform = training ? Transform(TrainTransform{.base = kSmall}) : Transform(kSmall);
    // Room for three images: of 6x4 pixels for evaluation, of 12x8 where the geometry is random.
    const std::size_t bytes = training ? 12 * 8 * 3 : 6 * 4 * 3;
    const ImageFolder data(folder.path(), transform, {.cache_bytes = 4 * bytes - 1});
    std::vector<std::vector<float>> first;
    for (std::size_t i = 0; i < 4; ++i) first.push_back(load(data, i));
    for (const auto& path : data.paths()) fs::remove(path);
    for (std::size_t i = 0; i < 3; ++i) CHECK(load(data, i) == first[i]);
    CHECK(message_of<FileError>([&] { load(data, 3); }).ends_with("No such file or directory"));
  }
}

TEST_CASE("several threads load through one cache") {
  const fixture::TemporaryFolder folder;
  for (int i = 0; i < 8; ++i)
    put(folder.path() / (i % 2 ? "a" : "b") / (std::to_string(i) + ".png"), static_cast<std::uint8_t>(i));
  const ImageFolder data(folder.path(), kSmall, {.cache_bytes = 1 << 20});
  std::vector<int> failures(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < 80; ++i) {
          const std::size_t index = (i + t) % 8;
          const float shade = std::stof(data.paths()[index].stem().string());
          failures[t] += load(data, index) != std::vector<float>(72, shade / 255.0f);
        }
      });
  }
  CHECK(failures == std::vector<int>(4, 0));
}
