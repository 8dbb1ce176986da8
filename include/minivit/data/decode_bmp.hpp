// Uncompressed BMP files: 1, 4, 8 bits with a palette, 16, 24, 32 bits.
//
// Format: "Bitmap Storage", BITMAPINFOHEADER and BITMAPV5HEADER in Microsoft's Windows GDI reference.
#pragma once

#include <string_view>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_bmp(EncodedImage bytes) { return has_at(bytes, 0, "BM"); }

/// The size of a BMP. Throws FileError as ImageFormat::size does, and for variants that are not read.
ImageSize bmp_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes an uncompressed BMP to RGB. Throws FileError.
Decoded decode_bmp(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

}  // namespace detail

/// BMP, uncompressed.
inline constexpr ImageFormat kBmp{.name = "BMP",
                                  .suffixes = {".bmp"},
                                  .matches = detail::is_bmp,
                                  .size = detail::bmp_size,
                                  .decode = detail::decode_bmp};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Little-endian numbers of a BMP. Throws FileError beyond its end.
struct BmpBytes {
  EncodedImage bytes;
  std::string_view name;

  std::uint32_t u8(std::size_t at) const {
    check<FileError>(at < bytes.size(), name, ": damaged BMP: it ends early");
    return bytes[at];
  }
  std::uint32_t u16(std::size_t at) const { return u8(at) | u8(at + 1) << 8; }
  std::uint32_t u32(std::size_t at) const { return u16(at) | u16(at + 2) << 16; }
  std::int64_t i32(std::size_t at) const { return static_cast<std::int32_t>(u32(at)); }
};

/// What the two headers of a BMP say.
struct BmpHeader {
  static constexpr std::size_t kInfo = 14;                   // the file header, then the information header
  static constexpr std::uint32_t kNone = 0, kBitFields = 3;  // compression

  std::size_t data_at, info_size;
  bool core;  // of OS/2: 16-bit sizes, palette entries of three bytes
  ImageSize size;
  bool top_down;
  std::uint32_t bits, compression;
  std::size_t row_bytes;

  /// Throws FileError for a variant that is not read, or if the pixels are not all there.
  BmpHeader(const BmpBytes& in, std::int64_t limit) {
    data_at = in.u32(10), info_size = in.u32(kInfo);
    core = info_size == 12;
    check<FileError>(core || (info_size >= 40 && info_size <= 124), in.name, ": BMP header of ", info_size,
                     " bytes, expected 12 or 40 to 124");
    const std::int64_t height = core ? std::int64_t{in.u16(kInfo + 6)} : in.i32(kInfo + 8);
    top_down = height < 0;
    size = {core ? std::int64_t{in.u16(kInfo + 4)} : in.i32(kInfo + 4), top_down ? -height : height};
    check_decoded_size(in.name, size.width, size.height, limit);

    bits = core ? in.u16(kInfo + 10) : in.u16(kInfo + 14);
    compression = core ? kNone : in.u32(kInfo + 16);
    check<FileError>(compression == kNone || (compression == kBitFields && (bits == 16 || bits == 32)),
                     in.name, ": compressed BMP (type ", compression,
                     ") is not supported; save it uncompressed or as PNG");
    check<FileError>(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32, in.name,
                     ": BMP of ", bits, " bits a pixel, expected 1, 4, 8, 16, 24 or 32");

    row_bytes = (static_cast<std::size_t>(size.width) * bits + 31) / 32 * 4;
    const std::size_t file = in.bytes.size();
    check<FileError>(data_at <= file && (file - data_at) / row_bytes >= static_cast<std::size_t>(size.height),
                     in.name, ": damaged BMP: ", file, " bytes do not hold ", size.width, "x", size.height,
                     " pixels");
  }
};

/// The bits that `mask` selects of `value`, scaled to 0…255.
inline std::uint8_t bmp_field(std::uint32_t value, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t largest = mask >> shift;
  return static_cast<std::uint8_t>(((value & mask) >> shift) * std::uint64_t{255} / largest);
}

MINIVIT_INLINE ImageSize bmp_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  return BmpHeader(BmpBytes{bytes, name}, limit).size;
}

MINIVIT_INLINE Decoded decode_bmp(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const BmpBytes file{bytes, name};
  const BmpHeader header(file, options.max_pixels);
  const std::uint32_t bits = header.bits;
  Image image = make_image(static_cast<int>(header.size.width), static_cast<int>(header.size.height));
  const auto source_row = [&](int y) {
    const std::size_t stored = static_cast<std::size_t>(header.top_down ? y : image.height - 1 - y);
    return bytes.data() + header.data_at + stored * header.row_bytes;
  };

  if (bits <= 8) {
    const std::size_t palette_at = BmpHeader::kInfo + header.info_size, entry = header.core ? 3 : 4;
    const std::uint32_t used = header.core ? 0 : file.u32(BmpHeader::kInfo + 32), most = 1u << bits;
    check<FileError>(used <= most, name, ": damaged BMP: a palette of ", used, " colors for ", bits,
                     " bits a pixel");
    const std::uint32_t colors = used == 0 ? most : used;
    file.u8(palette_at + colors * entry - 1);  // the whole palette is there
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* in = source_row(y);
      std::uint8_t* out = image.row(y);
      for (std::size_t x = 0; x < static_cast<std::size_t>(image.width); ++x, out += 3) {
        const std::size_t bit = x * bits;
        const std::uint32_t index = in[bit / 8] >> (8 - bits - bit % 8) & (most - 1);
        check<FileError>(index < colors, name, ": damaged BMP: color ", index, " of a palette of ", colors);
        const std::uint8_t* bgr = bytes.data() + palette_at + index * entry;
        out[0] = bgr[2], out[1] = bgr[1], out[2] = bgr[0];
      }
    }
    return not_reduced(std::move(image));
  }

  // 24 and 32 bits are stored as blue, green, red; 16 bits as 5 bits each, unless masks say otherwise.
  std::uint32_t red = bits == 16 ? 0x7C00 : 0xFF0000, green = bits == 16 ? 0x03E0 : 0xFF00,
                blue = bits == 16 ? 0x001F : 0xFF;
  if (header.compression == BmpHeader::kBitFields) {
    constexpr std::size_t kMasks = BmpHeader::kInfo + 40;
    red = file.u32(kMasks), green = file.u32(kMasks + 4), blue = file.u32(kMasks + 8);
  }
  const std::size_t step = bits / 8;
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* in = source_row(y);
    std::uint8_t* out = image.row(y);
    for (int x = 0; x < image.width; ++x, in += step, out += 3) {
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < step; ++i) value |= std::uint32_t{in[i]} << (8 * i);
      out[0] = bmp_field(value, red), out[1] = bmp_field(value, green), out[2] = bmp_field(value, blue);
    }
  }
  return not_reduced(std::move(image));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
