// Speed of the data loader: loader [--json] [--image-size N] [--workers N] [--augment on|off] [--cache
// on|off]
//                              [FOLDER]
//
// FOLDER holds one sub-folder of images for each class. Without it photos are made: 1600 x 1200 JPEGs (PNGs
// where the build has no libjpeg), removed at the end.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "harness.hpp"
#include "minivit/data/image_folder.hpp"
#include "minivit/data/loader.hpp"

#if defined(MINIVIT_WITH_LIBJPEG)
#include <jpeglib.h>
#endif

using namespace minivit;
namespace fs = std::filesystem;

namespace {

struct Options {
  std::string folder;
  int image_size = 224, workers = 1;
  bool augment = true, cache = true, json = false;
};

// A landscape of random waves, with some grain: as many bytes in a file as a photo of its size has.
Image landscape(int width, int height, std::uint64_t seed) {
  Image image = image::make_image(width, height);
  Rng rng(seed);
  float waves[6][4];
  for (auto& wave : waves)
    for (float& value : wave) value = rng.uniform();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      float shade = 128;
      for (const auto& [fx, fy, phase, size] : waves)
        shade +=
            30 * size * std::sin((fx * static_cast<float>(x) + fy * static_cast<float>(y)) / 20 + 6 * phase);
      const float grain = 12 * rng.uniform();
      for (int c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<std::uint8_t>(
            std::clamp(shade * (0.8f + 0.2f * static_cast<float>(c) * waves[c][3]) + grain, 0.0f, 255.0f));
    }
  return image;
}

void write_photo(const fs::path& path, const Image& image) {
#if defined(MINIVIT_WITH_LIBJPEG)
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<std::uint8_t*>(image.row(static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(bytes, &std::free);
  io::write_file_atomically(path, std::as_bytes(std::span(bytes, size)));
#else
  encode_png(path, image);
#endif
}

// A folder that goes with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "minivit_loader_XXXXXX").string();
    check<FileError>(::mkdtemp(name.data()) != nullptr, "cannot make the folder ", name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void make_photos(const fs::path& root) {
  for (const char* name : {"left", "right"}) fs::create_directories(root / name);
  for (std::uint64_t i = 0; i < 32; ++i)
    write_photo(root / (i % 2 ? "left" : "right") / (std::to_string(i) + ".jpg"), landscape(1600, 1200, i));
}

void report(const Options& o, const char* what, int threads, std::size_t images, double seconds) {
  const double rate = static_cast<double>(images) / seconds;
  if (o.json)
    std::printf(
        "{\"what\": \"%s\", \"image_size\": %d, \"augment\": %s, \"threads\": %d, \"images\": %zu, "
        "\"images_per_s\": %.1f, \"us_per_image\": %.1f}\n",
        what, o.image_size, o.augment ? "true" : "false", threads, images, rate, 1e6 / rate);
  else
    std::printf("%-38s %7d %10.1f %10.1f\n", what, threads, rate, 1e6 / rate);
  std::fflush(stdout);
}

// Up to `limit` samples, evenly from the whole folder, so that all classes are among them.
std::vector<std::size_t> sample(std::size_t size, std::size_t limit) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0, n = std::min(size, limit); i < n; ++i) chosen.push_back(i * size / n);
  return chosen;
}

template <Dataset D>
void epoch(DataLoader<D>& loader, std::uint64_t number) {
  Batch batch;
  loader.start(number);
  while (loader.next(batch)) {}
}

void run(const Options& o, const fs::path& folder) {
  const Preprocess exact{.height = o.image_size, .width = o.image_size, .fit = Preprocess::Fit::crop};
  const TrainTransform training{
      .base = exact, .augment = {o.augment ? image::AugmentPolicy::trivial : image::AugmentPolicy::none}};
  const ImageFolder evaluation(folder, exact), train(folder, training),
      fast(folder, training, {.fast_decode = true});
  const auto chosen = sample(train.size(), 512);
  std::vector<float> out(static_cast<std::size_t>(3 * o.image_size * o.image_size));
  std::uint64_t number = 0;  // of the epoch: other draws in every repetition
  const auto measure = [&](const char* what, std::size_t images, const auto& f) {
    report(o, what, 1, images, bench::seconds(f));
  };

  // The steps of a thread. What is decoded for the transforms may need 256 MB.
  measure("decode", chosen.size(), [&] {
    for (const std::size_t i : chosen) static_cast<void>(decode_image(train.paths()[i]));
  });
  std::vector<Image> images;
  for (std::size_t bytes = 0; const std::size_t i : chosen) {
    images.push_back(decode_image(train.paths()[i]));
    if ((bytes += images.back().pixels.size()) > 256'000'000) break;
  }
  measure("evaluation transform", images.size(), [&] {
    for (const Image& image : images) preprocess(image, exact, out.data());
  });
  measure("training transform", images.size(), [&] {
    ++number;
    for (std::size_t i = 0; i < images.size(); ++i) {
      Rng rng(1, number, i);
      training(images[i], rng, out.data());
    }
  });

  // Decoding and transform.
  const auto load_all = [&](const ImageFolder& data) {
    ++number;
    for (const std::size_t i : chosen) {
      Rng rng(1, number, i);
      data.load(i, rng, out.data());
    }
  };
  measure("evaluation: file to floats", chosen.size(), [&] { load_all(evaluation); });
  measure("training: file to floats", chosen.size(), [&] { load_all(train); });
  measure("training: file to floats, fast_decode", chosen.size(), [&] { load_all(fast); });

  // As `train` loads.
  const Subset part(fast, chosen);
  const LoaderOptions options{.batch_size = 32, .shuffle = true, .workers = o.workers};
  {
    DataLoader loader(part, options);
    report(o, "loader, training", o.workers, chosen.size(), bench::seconds([&] { epoch(loader, ++number); }));
  }
  if (!o.cache) return;
  const ImageFolder cached(folder, training, {.cache_bytes = std::size_t{4} << 30, .fast_decode = true});
  const Subset cached_part(cached, chosen);
  DataLoader loader(cached_part, options);
  for (std::uint64_t first = 0; first < 3; ++first) epoch(loader, first);  // the reductions that occur
  report(o, "loader, training, second epoch", o.workers, chosen.size(),
         bench::seconds([&] { epoch(loader, ++number); }));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  bool understood = true;
  for (int i = 1; i < argc && understood; ++i) {
    const std::string flag = argv[i];
    if (flag == "--json") {
      o.json = true;
      continue;
    }
    if (!flag.starts_with("-") && o.folder.empty()) {
      o.folder = flag;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    const bool on = value == "on", is_switch = on || value == "off";
    if (flag == "--image-size")
      understood = (o.image_size = std::atoi(value.c_str())) > 0;
    else if (flag == "--workers")
      understood = !value.empty() && (o.workers = std::atoi(value.c_str())) >= 0;
    else if (flag == "--augment" && is_switch)
      o.augment = on;
    else if (flag == "--cache" && is_switch)
      o.cache = on;
    else
      understood = false;
  }
  if (!understood) {
    std::fprintf(stderr,
                 "usage: loader [--json] [--image-size N] [--workers N] [--augment on|off] [--cache on|off] "
                 "[FOLDER]\n");
    return 2;
  }
  try {
    if (!o.json) std::printf("%-38s %7s %10s %10s\n", "", "threads", "images/s", "us/image");
    if (o.folder.empty()) {
      const TemporaryFolder made;
      make_photos(made.path());
      run(o, made.path());
    } else {
      run(o, o.folder);
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "loader: %s\n", e.what());
    return 1;
  }
}
