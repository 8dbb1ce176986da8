// Patches of images as rows of a matrix.
//
//   x: (B, C, H, W)   ->   y: (B, N, C·P·P),   N = (H / P) · (W / P)
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Patches of P × P pixels, row by row, each as C·P·P numbers in the order of a convolution's weight (C, P,
/// P): a linear layer on them is that convolution with stride P. Throws ShapeError unless x is (B, C, H, W)
/// with H and W divisible by P.
[[nodiscard]] Var patchify(const Var& x, std::int64_t P);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/pack.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::MatrixView, kernels::Vec;

/// f(offset in the image tensor, offset in the patch tensor, length) for every run of pixels that stays
/// together.
template <class F>
void for_each_patch_row(const Shape& images, std::int64_t P, const F& f) {
  const std::int64_t B = images[0], C = images[1], H = images[2], W = images[3], columns = W / P,
                     rows = H / P;
  parallel_for(B * rows, grain_for(2 * C * P * W), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t b = i / rows, row = i % rows;
      for (std::int64_t column = 0; column < columns; ++column)
        for (std::int64_t c = 0; c < C; ++c)
          for (std::int64_t y = 0; y < P; ++y)
            f(((b * C + c) * H + row * P + y) * W + column * P,
              ((i * columns + column) * C + c) * P * P + y * P, P);
    }
  });
}

/// Throws ShapeError, in the name of `op`, unless images (B, C, H, W) can be cut into patches of P × P.
inline void check_patches(const char* op, const Shape& images, std::int64_t P) {
  check<ShapeError>(images.rank() == 4 && P > 0 && images[2] % P == 0 && images[3] % P == 0, op, ": x is ",
                    images, ", expected (B, C, H, W) with H and W divisible by the patch size ", P);
}

/// Images (+)= patches put back to where they were.
inline void add_patches(const Shape& images, std::int64_t P, const float* patches, const Sink& out) {
  for_each_patch_row(images, P, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
    out.write(
        to, n, [](Vec v) { return v; }, patches + from);
  });
}

/// The patches of images as the rows of a matrix (B · N, C·P·P) that is read from the images, not stored.
class PatchRows {
 public:
  PatchRows(const Tensor& images, std::int64_t P)
      : images_(images.data()),
        channels_(images.size(1)),
        height_(images.size(2)),
        width_(images.size(3)),
        P_(P),
        columns_(width_ / P),
        per_image_(height_ / P * columns_),
        count_(images.size(0) * per_image_) {}

  std::int64_t per_image() const { return per_image_; }
  std::int64_t rows() const { return count_; }
  std::int64_t length() const { return channels_ * P_ * P_; }

  /// Valid as long as this object and the images are.
  MatrixView view() const { return MatrixView::rows(images_, 0, {&PatchRows::read, this}); }

 private:
  /// Elements [begin, begin + n) of patch i.
  static void read(const void* context, std::int64_t i, std::int64_t begin, std::int64_t n, const float*,
                   float* out) {
    const auto& s = *static_cast<const PatchRows*>(context);
    const std::int64_t b = i / s.per_image_, patch = i % s.per_image_, row = patch / s.columns_,
                       column = patch % s.columns_;
    while (n > 0) {
      const std::int64_t x = begin % s.P_, y = begin / s.P_ % s.P_, c = begin / (s.P_ * s.P_);
      const std::int64_t run = std::min(s.P_ - x, n);
      std::copy_n(
          s.images_ + ((b * s.channels_ + c) * s.height_ + row * s.P_ + y) * s.width_ + column * s.P_ + x,
          run, out);
      out += run, begin += run, n -= run;
    }
  }

  const float* images_;
  std::int64_t channels_, height_, width_, P_, columns_, per_image_, count_;
};

}  // namespace detail

MINIVIT_INLINE Var patchify(const Var& x, std::int64_t P) {
  detail::check_defined("patchify", "x", x);
  detail::check_patches("patchify", x.shape(), P);
  Tensor y = Tensor::empty({x.size(0), (x.size(2) / P) * (x.size(3) / P), x.size(1) * P * P});
  detail::for_each_patch_row(x.shape(), P, [&](std::int64_t from, std::int64_t to, std::int64_t n) {
    std::copy_n(x.data() + from, n, y.data() + to);
  });
  return Tape::local().record(std::move(y), {&x}, [x = x.edge(), P](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x)) detail::add_patches(x.shape(), P, dy.data(), dx);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
