// Image files, decoded and shrunk at once.
#include "read_image.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/data/image.hpp"
#include "option_checks.hpp"

namespace minivit::cli {

namespace {

/// What `decode` makes with the options for `preprocess`, at the size of that.
template <class Decode>
Image fitted(const std::string& name, const Preprocess& preprocess, std::int64_t max_pixels,
             const Decode& decode) {
  const DecodeOptions options{
      .choose_if_too_large = [&](int width,
                                 int height) { return image::decode_reduction(width, height, preprocess); },
      .max_pixels = max_pixels};
  try {
    return image::fit_image(decode(options), preprocess);
  } catch (const ShapeError& e) {  // too thin to be resized: a property of this file
    throw FileError(str_cat(name, ": ", e.what()));
  } catch (const std::bad_alloc&) {
    throw FileError(str_cat(name, ": there is not enough memory to decode it"));
  }
}

}  // namespace

Image read_image(const std::filesystem::path& path, const Preprocess& preprocess, std::int64_t max_pixels) {
  return fitted(path.string(), preprocess, max_pixels,
                [&](const DecodeOptions& options) { return decode_image(path, options); });
}

Image read_standard_input(const Preprocess& preprocess, std::int64_t max_pixels) {
  const std::string name = "standard input";
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 65536> part;
  for (;;) {
    const ssize_t n = io::detail::retried([&] { return ::read(STDIN_FILENO, part.data(), part.size()); });
    check<FileError>(n >= 0, name, ": cannot be read: ", io::detail::reason(errno));
    if (n == 0) break;
    check<FileError>(bytes.size() + static_cast<std::size_t>(n) <= image::kMaxImageFile, name, ": more than ",
                     image::kMaxImageFile, " bytes, which is the most for an image");
    bytes.insert(bytes.end(), part.begin(), part.begin() + n);
  }
  return fitted(name, preprocess, max_pixels, [&](const DecodeOptions& options) {
    return image::decode_image(std::span<const std::uint8_t>(bytes), name, options);
  });
}

void add_max_pixels(CLI::App& app, std::int64_t& max_pixels) {
  app.add_option("--max-pixels", max_pixels,
                 "largest image that is decoded; a larger JPEG is decoded at a part of its size")
      ->check(number_from(std::int64_t{1}, image::kLargestImage))
      ->capture_default_str();
}

}  // namespace minivit::cli
