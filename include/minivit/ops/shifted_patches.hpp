// Patches of images together with what lies half a patch away from each, as rows of a matrix.
//
//   x: (B, C, H, W)   ->   y: (B, N, 5·C·P·P),   N = (H / P) · (W / P)
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// `patchify` of the images and of four copies of them behind the channels of each, in which a pixel (i, j)
/// is that of ⌊P/2⌋ rows above or below and as many columns to the left or right: left above, right above,
/// left below, right below, 0 outside of the image. Each row is 5·C·P·P numbers in the order (copy, channel,
/// row, column). S. H. Lee et al., "Vision Transformer for Small-Size Datasets", arXiv:2112.13492. Throws
/// ShapeError unless x is (B, C, H, W) with H and W divisible by P.
[[nodiscard]] Var shifted_patches(const Var& x, std::int64_t P);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>

#include "minivit/autograd/tape.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/patchify.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// How far away, in halves of a patch, the pixels of a copy are.
struct Shift {
  std::int64_t down, right;
};
inline constexpr Shift kShifts[] = {{0, 0}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
inline constexpr std::int64_t kCopies = 5;

/// Those of P pixels, the first of which is in column `first`, that are in an image of W columns: [begin,
/// end).
struct Inside {
  std::int64_t begin, end;

  Inside(std::int64_t first, std::int64_t P, std::int64_t W)
      : begin(std::clamp<std::int64_t>(-first, 0, P)), end(std::clamp<std::int64_t>(W - first, 0, P)) {}
};

/// Sizes of images (B, C, H, W) and of their shifted patches.
struct ShiftedPatches {
  std::int64_t B, C, H, W, P, columns, rows;

  ShiftedPatches(const Shape& x, std::int64_t patch)
      : B(x[0]), C(x[1]), H(x[2]), W(x[3]), P(patch), columns(W / P), rows(H / P) {}

  /// Where the first pixel of row `y` of a patch is, in the tensor of patches.
  std::int64_t at(std::int64_t b, std::int64_t row, std::int64_t column, std::int64_t copy, std::int64_t c,
                  std::int64_t y) const {
    return ((((b * rows + row) * columns + column) * kCopies + copy) * C + c) * P * P + y * P;
  }

  void forward(const float* images, float* patches) const {
    parallel_for(B * rows, grain_for(2 * kCopies * C * P * W), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t column = 0; column < columns; ++column)
          for (std::int64_t copy = 0; copy < kCopies; ++copy)
            for (std::int64_t c = 0; c < C; ++c)
              for (std::int64_t y = 0; y < P; ++y)
                read_run(images, i / rows, c, i % rows * P + y, column * P, kShifts[copy],
                         patches + at(i / rows, i % rows, column, copy, c, y));
    });
  }

  /// dx (+)= what each pixel got as gradients in up to five patches.
  void backward(const float* patches, const Sink& dx) const {
    parallel_for(B * C * H, grain_for(2 * kCopies * W), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t copy = 0; copy < kCopies; ++copy)  // the first reaches every pixel
          add_row(patches, i / H / C, i / H % C, i % H, copy, {dx.data + i * W, dx.add || copy > 0});
    });
  }

 private:
  /// The P pixels that a copy has from (row, column) on.
  void read_run(const float* images, std::int64_t b, std::int64_t c, std::int64_t row, std::int64_t column,
                Shift shift, float* out) const {
    const std::int64_t from = row + shift.down * (P / 2), first = column + shift.right * (P / 2);
    if (from < 0 || from >= H) {
      std::fill_n(out, P, 0.0f);
      return;
    }
    const Inside inside(first, P, W);
    std::fill_n(out, inside.begin, 0.0f);
    std::copy_n(images + ((b * C + c) * H + from) * W + first + inside.begin, inside.end - inside.begin,
                out + inside.begin);
    std::fill_n(out + inside.end, P - inside.end, 0.0f);
  }

  /// Row `row` of an image (+)= the gradients that a copy has of it.
  void add_row(const float* patches, std::int64_t b, std::int64_t c, std::int64_t row, std::int64_t copy,
               const Sink& out) const {
    const Shift shift = kShifts[copy];
    const std::int64_t to = row - shift.down * (P / 2);  // where the copy has it
    if (to < 0 || to >= H) return;
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t first = column * P + shift.right * (P / 2);
      const Inside inside(first, P, W);
      out.write(
          first + inside.begin, inside.end - inside.begin, [](Vec v) { return v; },
          patches + at(b, to / P, column, copy, c, to % P) + inside.begin);
    }
  }
};

}  // namespace detail

MINIVIT_INLINE Var shifted_patches(const Var& x, std::int64_t P) {
  detail::check_defined("shifted_patches", "x", x);
  detail::check_patches("shifted_patches", x.shape(), P);
  const detail::ShiftedPatches s(x.shape(), P);
  Tensor y = Tensor::empty({s.B, s.rows * s.columns, detail::kCopies * s.C * P * P});
  s.forward(x.data(), y.data());
  return Tape::local().record(std::move(y), {&x}, [x = x.edge(), s](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x)) s.backward(dy.data(), dx);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
