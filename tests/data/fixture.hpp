// Folders, files and images for the tests of data/.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/data/image.hpp"

namespace fixture {

/// A new folder for files of one test, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> counter = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("minivit_data_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string str() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path path(const std::string& name) {
  return std::filesystem::path(MINIVIT_TEST_DATA) / name;
}

inline std::vector<std::uint8_t> read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline void write(const std::filesystem::path& file, const std::string& text) {
  write(file, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

/// An image of random bytes.
inline minivit::Image noise(int width, int height, int channels = 3, std::uint64_t seed = 1) {
  minivit::Image image = minivit::image::make_image(width, height, channels);
  minivit::Rng rng(seed);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

/// An image of one color.
inline minivit::Image plain(int width, int height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  minivit::Image image = minivit::image::make_image(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    image.pixels[i] = r, image.pixels[i + 1] = g, image.pixels[i + 2] = b;
  return image;
}

/// The largest difference of two images; 1000 if their sizes differ.
inline int difference(const minivit::Image& a, const minivit::Image& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 1000;
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i)
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

}  // namespace fixture
