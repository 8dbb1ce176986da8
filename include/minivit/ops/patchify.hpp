// Cuts images into patches.                       x: (B, C, H, W)   ->   y: (B, N, C·P·P),   N = (H / P) · (W
// / P)
#pragma once

#include "minivit/autograd/tape.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

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

}  // namespace detail

/// Patches of P × P pixels, row by row, each as C·P·P numbers in the order of a convolution's weight (C, P,
/// P): a linear layer on them is that convolution with stride P. Throws ShapeError unless x is (B, C, H, W)
/// with H and W divisible by P.
inline Var patchify(const Var& x, std::int64_t P) {
  check<ShapeError>(x.rank() == 4 && P > 0 && x.size(2) % P == 0 && x.size(3) % P == 0, "patchify: x is ",
                    x.shape(), ", expected (B, C, H, W) with H and W divisible by the patch size ", P);
  Tensor y = Tensor::empty({x.size(0), (x.size(2) / P) * (x.size(3) / P), x.size(1) * P * P});
  detail::for_each_patch_row(x.shape(), P, [&](std::int64_t from, std::int64_t to, std::int64_t n) {
    std::copy_n(x.data() + from, n, y.data() + to);
  });
  return Tape::local().record(std::move(y), {&x}, [x = x.edge(), P](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      detail::for_each_patch_row(x.shape(), P, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
        dx.write(
            to, n, [](Vec v) { return v; }, dy.data() + from);
      });
  });
}

}  // namespace minivit::inline MINIVIT_ABI
