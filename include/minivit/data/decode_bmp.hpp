// Uncompressed BMP files: 1, 4, 8 bits with a palette, 16, 24, 32 bits.
//
// Format: "Bitmap Storage", BITMAPINFOHEADER and BITMAPV5HEADER in Microsoft's Windows GDI reference.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The bits that `mask` selects of `value`, scaled to 0…255.
inline std::uint8_t bmp_field(std::uint32_t value, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t largest = mask >> shift;
  return static_cast<std::uint8_t>(((value & mask) >> shift) * std::uint64_t{255} / largest);
}

/// Decodes an uncompressed BMP image to RGB. Throws FileError.
inline Image decode_bmp(std::span<const std::uint8_t> bytes, std::string_view name) {
  const auto u8 = [&](std::size_t at) {
    check<FileError>(at < bytes.size(), name, ": damaged BMP: it ends early");
    return std::uint32_t{bytes[at]};
  };
  const auto u16 = [&](std::size_t at) { return u8(at) | u8(at + 1) << 8; };
  const auto u32 = [&](std::size_t at) { return u16(at) | u16(at + 2) << 16; };

  constexpr std::size_t kInfo = 14;  // the file header, then the information header
  const std::size_t data_at = u32(10), info_size = u32(kInfo);
  const bool core = info_size == 12;  // of OS/2: 16-bit sizes, palette entries of three bytes
  check<FileError>(core || (info_size >= 40 && info_size <= 124), name, ": BMP header of ", info_size,
                   " bytes, expected 12 or 40 to 124");
  const auto i32 = [&](std::size_t at) { return std::int64_t{static_cast<std::int32_t>(u32(at))}; };
  const std::int64_t width = core ? std::int64_t{u16(kInfo + 4)} : i32(kInfo + 4);
  const std::int64_t signed_height = core ? std::int64_t{u16(kInfo + 6)} : i32(kInfo + 8);
  const bool top_down = signed_height < 0;
  const std::int64_t height = top_down ? -signed_height : signed_height;
  check_decoded_size(name, width, height);

  const std::uint32_t bits = core ? u16(kInfo + 10) : u16(kInfo + 14);
  const std::uint32_t compression = core ? 0 : u32(kInfo + 16);
  constexpr std::uint32_t kNone = 0, kBitFields = 3;
  check<FileError>(compression == kNone || (compression == kBitFields && (bits == 16 || bits == 32)), name,
                   ": compressed BMP (type ", compression,
                   ") is not supported; save it uncompressed or as PNG");
  check<FileError>(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32, name,
                   ": BMP of ", bits, " bits a pixel, expected 1, 4, 8, 16, 24 or 32");

  const std::size_t row_bytes = (static_cast<std::size_t>(width) * bits + 31) / 32 * 4;
  check<FileError>(
      data_at <= bytes.size() && (bytes.size() - data_at) / row_bytes >= static_cast<std::size_t>(height),
      name, ": damaged BMP: ", bytes.size(), " bytes do not hold ", width, "x", height, " pixels");

  Image image = make_image(static_cast<int>(width), static_cast<int>(height));
  const auto source_row = [&](int y) {
    const std::size_t stored = static_cast<std::size_t>(top_down ? y : image.height - 1 - y);
    return bytes.data() + data_at + stored * row_bytes;
  };

  if (bits <= 8) {
    const std::size_t palette_at = kInfo + info_size, entry = core ? 3 : 4;
    const std::uint32_t used = core ? 0 : u32(kInfo + 32), most = 1u << bits;
    check<FileError>(used <= most, name, ": damaged BMP: a palette of ", used, " colors for ", bits,
                     " bits a pixel");
    const std::uint32_t colors = used == 0 ? most : used;
    u8(palette_at + colors * entry - 1);  // the whole palette is there
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* in = source_row(y);
      std::uint8_t* out = image.row(y);
      for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x, out += 3) {
        const std::size_t bit = x * bits;
        const std::uint32_t index = in[bit / 8] >> (8 - bits - bit % 8) & (most - 1);
        check<FileError>(index < colors, name, ": damaged BMP: color ", index, " of a palette of ", colors);
        const std::uint8_t* bgr = bytes.data() + palette_at + index * entry;
        out[0] = bgr[2], out[1] = bgr[1], out[2] = bgr[0];
      }
    }
    return image;
  }

  // 24 and 32 bits are stored as blue, green, red; 16 bits as 5 bits each, unless masks say otherwise.
  std::uint32_t red = bits == 16 ? 0x7C00 : 0xFF0000, green = bits == 16 ? 0x03E0 : 0xFF00,
                blue = bits == 16 ? 0x001F : 0xFF;
  if (compression == kBitFields) red = u32(kInfo + 40), green = u32(kInfo + 44), blue = u32(kInfo + 48);
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
  return image;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
