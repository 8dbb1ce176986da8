// Images at the size of a model: one large picture in memory at a time.
#pragma once

#include <cstdint>
#include <filesystem>

#include "minivit/data/image_type.hpp"
#include "minivit/data/preprocess.hpp"

namespace CLI {
class App;
}

namespace minivit::cli {

/// The image of a file, resized and cut as `preprocess` says; what was decoded is freed. An image is decoded
/// whole, so that a prediction is exact; only a JPEG that is too large for that (DecodeOptions::max_pixels)
/// at a half, a quarter or an eighth of its size. max_pixels: as DecodeOptions has it. Throws FileError that
/// names the file: it cannot be read or decoded, is too thin to be resized, or memory does not suffice for
/// it.
Image read_image(const std::filesystem::path& path, const Preprocess& preprocess, std::int64_t max_pixels);

/// The same for the image that is on standard input.
Image read_standard_input(const Preprocess& preprocess, std::int64_t max_pixels);

/// Adds --max-pixels, whose default is what `max_pixels` holds.
void add_max_pixels(CLI::App& app, std::int64_t& max_pixels);

}  // namespace minivit::cli
