// GIF to RGB, by giflib where the build found it: the first picture, on the whole of its screen.
//
// Format: CompuServe, "Graphics Interchange Format, Version 89a".
#pragma once

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_gif(EncodedImage bytes) { return has_at(bytes, 0, "GIF87a") || has_at(bytes, 0, "GIF89a"); }

#if defined(MINIVIT_WITH_GIFLIB)
/// The size of a GIF: of its screen, or of its first picture where that reaches further. Throws FileError as
/// ImageFormat::size does.
ImageSize gif_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes the first picture of a GIF to RGB. Throws FileError.
Decoded decode_gif(EncodedImage bytes, std::string_view name, const DecodeOptions& options);
#endif

}  // namespace detail

#if defined(MINIVIT_WITH_GIFLIB)
/// GIF, the first picture.
inline constexpr ImageFormat kGif{.name = "GIF",
                                  .suffixes = {".gif"},
                                  .matches = detail::is_gif,
                                  .size = detail::gif_size,
                                  .decode = detail::decode_gif};
#endif

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS && defined(MINIVIT_WITH_GIFLIB)
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include <gif_lib.h>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

MINIVIT_INLINE ImageSize gif_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  const auto u8 = [&](std::size_t at) {
    check<FileError>(at < bytes.size(), name, ": damaged GIF: it ends before its first picture");
    return std::size_t{bytes[at]};
  };
  const auto u16 = [&](std::size_t at) { return u8(at) | u8(at + 1) << 8; };
  const auto table_bytes = [](std::size_t flags) {
    return (flags & 0x80) != 0 ? std::size_t{6} << (flags & 7) : std::size_t{0};
  };
  std::size_t width = u16(6), height = u16(8);
  std::size_t at = 13 + table_bytes(u8(10));
  constexpr std::size_t kExtension = 0x21, kPicture = 0x2C;
  while (u8(at) == kExtension) {
    at += 2;  // and its kind
    while (u8(at) != 0) at += 1 + u8(at);
    ++at;
  }
  check<FileError>(u8(at) == kPicture, name, ": damaged GIF: it holds no picture");
  const std::size_t right = u16(at + 1) + u16(at + 5), bottom = u16(at + 3) + u16(at + 7);
  width = std::max(width, right), height = std::max(height, bottom);
  check_decoded_size(name, static_cast<std::int64_t>(width), static_cast<std::int64_t>(height), limit);
  // A code has 3 bits at least, and the longest of 12 bits stands for 4095 pixels at most.
  check<FileError>(width * height / 4095 <= bytes.size(), name, ": damaged GIF: ", bytes.size(),
                   " bytes do not hold ", width, "x", height, " pixels");
  return {static_cast<std::int64_t>(width), static_cast<std::int64_t>(height)};
}

/// The state of giflib.
class GifReader {
 public:
  GifReader(EncodedImage bytes, std::string_view name) : bytes_(bytes), name_(name) {
    int error = 0;
    file_ = DGifOpen(
        this,
        [](GifFileType* file, GifByteType* out, int count) {
          GifReader& reader = *static_cast<GifReader*>(file->UserData);
          const std::size_t n = std::min(static_cast<std::size_t>(count), reader.bytes_.size());
          std::copy_n(reader.bytes_.begin(), n, out);
          reader.bytes_ = reader.bytes_.subspan(n);
          return static_cast<int>(n);
        },
        &error);
    if (!file_) report(error);
  }
  ~GifReader() { DGifCloseFile(file_, nullptr); }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  GifFileType* operator->() const { return file_; }

  /// Throws FileError unless a function of giflib succeeded; bad_alloc if that was not the file's fault.
  void require(int result) const {
    if (result == GIF_ERROR) report(file_->Error);
  }

  /// Goes to the first picture. Returns the color that is transparent there, else -1.
  int find_picture() const {
    int transparent = -1;
    for (;;) {
      GifRecordType type{};
      require(DGifGetRecordType(file_, &type));
      if (type == IMAGE_DESC_RECORD_TYPE) {
        require(DGifGetImageDesc(file_));
        return transparent;
      }
      check<FileError>(type == EXTENSION_RECORD_TYPE, name_, ": damaged GIF: it holds no picture");
      int kind = 0;
      GifByteType* block = nullptr;
      require(DGifGetExtension(file_, &kind, &block));
      for (bool first = true; block; first = false) {
        GraphicsControlBlock control;
        if (first && kind == GRAPHICS_EXT_FUNC_CODE &&
            DGifExtensionToGCB(block[0], block + 1, &control) != GIF_ERROR)
          transparent = control.TransparentColor;
        require(DGifGetExtensionNext(file_, &block));
      }
    }
  }

  /// The color of every number: of the picture, else of the file, else gray.
  std::array<std::array<std::uint8_t, 3>, 256> colors() const {
    std::array<std::array<std::uint8_t, 3>, 256> colors{};
    const ColorMapObject* const map = file_->Image.ColorMap ? file_->Image.ColorMap : file_->SColorMap;
    for (std::size_t i = 0; i < colors.size(); ++i) {
      if (!map)
        colors[i].fill(static_cast<std::uint8_t>(i));
      else if (i < static_cast<std::size_t>(map->ColorCount))
        colors[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
    }
    return colors;
  }

 private:
  [[noreturn]] void report(int error) const {
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) throw std::bad_alloc();
    const char* const text = GifErrorString(error);
    throw FileError(str_cat(name_, ": damaged GIF: ", text ? text : "it cannot be decoded"));
  }

  EncodedImage bytes_;
  std::string_view name_;
  GifFileType* file_ = nullptr;
};

MINIVIT_INLINE Decoded decode_gif(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const ImageSize size = gif_size(bytes, name, options.max_pixels);
  const GifReader file(bytes, name);
  const int transparent = file.find_picture();
  const auto colors = file.colors();
  const GifImageDesc& picture = file->Image;
  Image image = make_image(static_cast<int>(size.width), static_cast<int>(size.height));
  check<FileError>(picture.Left >= 0 && picture.Top >= 0 && picture.Width >= 1 && picture.Height >= 1 &&
                       picture.Left <= image.width - picture.Width &&
                       picture.Top <= image.height - picture.Height,
                   name, ": damaged GIF: a picture beyond its edges");
  const auto& around = colors[transparent < 0 ? 0 : static_cast<std::size_t>(transparent) % 256];
  if (picture.Width < image.width || picture.Height < image.height)
    for (auto at = image.pixels.begin(); at != image.pixels.end(); at += 3)
      std::copy(around.begin(), around.end(), at);

  std::vector<GifPixelType> row(static_cast<std::size_t>(picture.Width));
  const auto read_rows = [&](int first, int step) {
    for (int y = first; y < picture.Height; y += step) {
      file.require(DGifGetLine(file.operator->(), row.data(), picture.Width));
      std::uint8_t* out = image.row(picture.Top + y) + std::ptrdiff_t{3} * picture.Left;
      for (const GifPixelType color : row) out = std::copy(colors[color].begin(), colors[color].end(), out);
    }
  };
  if (!picture.Interlace)
    read_rows(0, 1);
  else
    for (const auto& [first, step] : {std::pair{0, 8}, {4, 8}, {2, 4}, {1, 2}}) read_rows(first, step);
  return not_reduced(std::move(image));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
