// Convolution with windows of 3 × 3, and the pooling behind it. Channels last.
//
//   x: (B, H, W, C)   weight: (N, 3, 3, C)   ->   y: (B, H, W, N)
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y(b, i, j, n) = Σ weight(n, k, l, c) · x(b, i + k - 1, j + l - 1, c), zero outside of the image: PyTorch's
/// conv2d with kernel 3, stride 1, padding 1, without bias, for tensors in its channels_last order. Throws
/// ShapeError unless x is (B, H, W, C) and weight (N, 3, 3, C).
[[nodiscard]] Var conv3x3(const Var& x, const Var& weight);

/// y (B, ⌈H/2⌉, ⌈W/2⌉, C) = the largest of relu(x) in each window of 3 × 3, of every second row and column:
/// PyTorch's max_pool2d with kernel 3, stride 2, padding 1, of relu(x). The gradient goes to the first of
/// equal ones. Throws ShapeError unless x is (B, H, W, C).
[[nodiscard]] Var relu_max_pool(const Var& x);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/pack.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/linear.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The windows of 3 × 3 pixels around each pixel as rows (B · H · W, 9 · C) of a matrix that is read from the
/// images, not stored.
class WindowRows {
 public:
  explicit WindowRows(const Tensor& images)
      : images_(images.data()),
        height_(images.size(1)),
        width_(images.size(2)),
        channels_(images.size(3)),
        count_(images.size(0) * height_ * width_) {}

  std::int64_t rows() const { return count_; }
  std::int64_t length() const { return 9 * channels_; }

  /// Valid as long as this object and the images are.
  MatrixView view() const { return MatrixView::rows(images_, 0, {&WindowRows::read, this}); }

 private:
  /// Elements [begin, begin + n) of window i. The three pixels of a row of it stand together in memory.
  static void read(const void* context, std::int64_t i, std::int64_t begin, std::int64_t n, const float*,
                   float* out) {
    const auto& s = *static_cast<const WindowRows*>(context);
    const std::int64_t C = s.channels_, column = i % s.width_, row = i / s.width_ % s.height_;
    // Of the three pixels those inside of the image.
    const std::int64_t first = column == 0 ? C : 0, last = column + 1 == s.width_ ? 2 * C : 3 * C;
    while (n > 0) {
      const std::int64_t k = begin / (3 * C), at = begin % (3 * C), run = std::min(3 * C - at, n);
      const bool inside = row + k - 1 >= 0 && row + k - 1 < s.height_;
      const std::int64_t from = inside ? std::clamp(first, at, at + run) : at + run,
                         to = inside ? std::clamp(last, from, at + run) : at + run;
      const std::int64_t x = (i + (k - 1) * s.width_ - 1) * C;
      std::fill(out, out + (from - at), 0.0f);
      if (from < to) std::copy_n(s.images_ + x + from, to - from, out + (from - at));
      std::fill(out + (to - at), out + run, 0.0f);
      out += run, begin += run, n -= run;
    }
  }

  const float* images_;
  std::int64_t height_, width_, channels_, count_;
};

/// The weight (C, 3, 3, N) of the convolution that takes gradients back: each window turned by 180 degrees,
/// with inputs and outputs exchanged.
inline Tensor turned(const Tensor& weight) {
  const std::int64_t N = weight.size(0), C = weight.size(3);
  Tensor out = Tensor::empty({C, 3, 3, N});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < 9; ++k)
      for (std::int64_t c = 0; c < C; ++c)
        out.data()[(c * 9 + 8 - k) * N + n] = weight.data()[(n * 9 + k) * C + c];
  return out;
}

/// The windows of a pooling that see a pixel, along one axis: a pixel of an even row lies in the middle of
/// one; of an odd row at the end of one and at the beginning of the next.
struct PoolingWindows {
  std::int64_t count, window[2], place[2];

  PoolingWindows(std::int64_t i, std::int64_t windows) {
    window[0] = i / 2, place[0] = i % 2 == 0 ? 1 : 2;
    window[1] = i / 2 + 1, place[1] = 0;
    count = i % 2 == 1 && window[1] < windows ? 2 : 1;
  }
};

/// f(c, lanes) for the channels, some lanes at a time.
template <class F>
void for_lanes(std::int64_t C, const F& f) {
  for (std::int64_t c = 0; c < C; c += kernels::kLanes) f(c, std::min<std::int64_t>(kernels::kLanes, C - c));
}

}  // namespace detail

MINIVIT_INLINE Var conv3x3(const Var& x, const Var& weight) {
  using kernels::MatrixView;
  detail::check_defined("conv3x3", "x", x);
  detail::check_defined("conv3x3", "weight", weight);
  check<ShapeError>(x.rank() == 4, "conv3x3: x is ", x.shape(), ", expected (B, H, W, C)");
  const std::int64_t C = x.size(3), N = weight.rank() == 4 ? weight.size(0) : 0;
  check<ShapeError>(weight.rank() == 4 && weight.shape() == Shape{N, 3, 3, C}, "conv3x3: weight is ",
                    weight.shape(), ", expected (N, 3, 3, ", C, ") to match x ", x.shape());
  const detail::WindowRows windows(x.value());
  detail::LinearShape s("conv3x3", windows.rows(), windows.length(), N, Var{});
  s.result = x.shape().with(-1, N);
  return Tape::local().record(detail::linear_forward(s, windows.view(), weight, {}, {}), {&x, &weight},
                              [x, weight, s](Tape& tape, const Tensor& dy) {
                                const detail::WindowRows again(x.value());
                                detail::linear_weight_gradients(tape, s, again.view(), dy, weight.edge(),
                                                                Edge());
                                if (const Sink dx = tape.sink(x)) {
                                  const detail::WindowRows of_dy(dy);
                                  const Tensor back = detail::turned(weight.value());
                                  kernels::gemm(s.rows, back.size(0), of_dy.length(), of_dy.view(),
                                                MatrixView::rows(back.data(), of_dy.length()).transposed(),
                                                dx.data, back.size(0), {.add = dx.add});
                                }
                              });
}

MINIVIT_INLINE Var relu_max_pool(const Var& x) {
  using kernels::load_some, kernels::store_some, kernels::Vec, kernels::broadcast;
  detail::check_defined("relu_max_pool", "x", x);
  check<ShapeError>(x.rank() == 4, "relu_max_pool: x is ", x.shape(), ", expected (B, H, W, C)");
  const std::int64_t B = x.size(0), H = x.size(1), W = x.size(2), C = x.size(3), h = (H + 1) / 2,
                     w = (W + 1) / 2;
  Tensor y = Tensor::empty({B, h, w, C});
  // Which of the nine pixels was taken, and -1 where all are 0: numbers of the width of a float.
  Tensor taken = Tape::local().wants({&x}) ? Tensor::empty(y.shape()) : Tensor();
  parallel_for(B * h, grain_for(9 * w * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t j = 0; j < w; ++j)
        detail::for_lanes(C, [&](std::int64_t c, std::int64_t n) {
          Vec best{}, place = broadcast(-1.0f);
          for (std::int64_t k = 0; k < 9; ++k) {
            const std::int64_t row = i % h * 2 + k / 3 - 1, column = j * 2 + k % 3 - 1;
            if (row < 0 || row >= H || column < 0 || column >= W) continue;
            const Vec v = load_some(x.data() + ((i / h * H + row) * W + column) * C + c, n);
            const auto better = (v > best) | (v != v);  // what is no number stays
            best = better ? v : best;
            place = better ? broadcast(static_cast<float>(k)) : place;
          }
          const std::int64_t at = (i * w + j) * C + c;
          store_some(y.data() + at, best, n);
          if (taken.defined()) store_some(taken.data() + at, place, n);
        });
  });
  return Tape::local().record(
      std::move(y), {&x}, [x = x.edge(), taken, B, H, W, C, h, w](Tape& tape, const Tensor& dy) {
        const Sink dx = tape.sink(x);
        if (!dx) return;
        parallel_for(B * H, grain_for(4 * W * C), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const detail::PoolingWindows rows(i % H, h);
            for (std::int64_t j = 0; j < W; ++j) {
              const detail::PoolingWindows columns(j, w);
              detail::for_lanes(C, [&](std::int64_t c, std::int64_t n) {
                const std::int64_t to = (i * W + j) * C + c;
                Vec sum = dx.add ? load_some(dx.data + to, n) : Vec{};
                for (std::int64_t r = 0; r < rows.count; ++r)
                  for (std::int64_t s = 0; s < columns.count; ++s) {
                    const std::int64_t from = ((i / H * h + rows.window[r]) * w + columns.window[s]) * C + c;
                    const auto place = static_cast<float>(rows.place[r] * 3 + columns.place[s]);
                    sum += load_some(taken.data() + from, n) == broadcast(place)
                               ? load_some(dy.data() + from, n)
                               : Vec{};
                  }
                store_some(dx.data + to, sum, n);
              });
            }
          }
        });
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
