// The right operand of a product as a whole: cut into passes of K, each packed panel by panel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/core/parallel.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/kernels/pack.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

namespace detail {

// Depth of a pass over K at most. A tile of A (42 KiB) and a panel of B (96 KiB) come from L2 as they are
// used; every pass but the first reads C again.
inline constexpr std::int64_t kDepth = 768;

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }
[[nodiscard]] constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return ceil_div(n, multiple) * multiple;
}

/// K cut into passes of equal depth, a multiple of the lanes, `most` at most.
struct Passes {
  std::int64_t K, depth;

  explicit Passes(std::int64_t depth_of_all, std::int64_t most = kDepth)
      : K(depth_of_all),
        depth(std::max<std::int64_t>(
            kLanes, round_up(ceil_div(K, ceil_div(std::max<std::int64_t>(K, 1), most)), kLanes))) {}

  std::int64_t count() const { return std::max<std::int64_t>(1, ceil_div(K, depth)); }
  std::int64_t begin(std::int64_t pass) const { return pass * depth; }
  std::int64_t size(std::int64_t pass) const { return std::min(depth, K - begin(pass)); }
};

/// Packs passes [first, last) of B (K,N) to `out`.
inline void pack_passes(const Passes& passes, std::int64_t first, std::int64_t last, std::int64_t N,
                        const MatrixView& B, float* out) {
  const std::int64_t width = packed_columns(N);
  constexpr std::int64_t kRows = 64;  // of a pass that one thread packs, a multiple of the lanes
  const std::int64_t pieces = ceil_div(passes.depth, kRows),
                     ahead = B.row_stride >= N ? detail::rows_ahead(N) : 0;  // 0: patches of an image
  parallel_for((last - first) * pieces, grain_for(2 * kRows * N), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const std::int64_t pass = first + n / pieces, skip = n % pieces * kRows, k = passes.size(pass);
      if (skip < k)
        pack_b(std::min(kRows, k - skip), N, B, passes.begin(pass) + skip, 0, N, k, skip,
               out + (passes.begin(pass) - passes.begin(first)) * width, ahead);
    }
  });
}

}  // namespace detail

/// B of a product, packed once for many.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Packs B (K,N). Uses all threads.
  PackedMatrix(std::int64_t K, std::int64_t N, const MatrixView& B) : K_(K), N_(N) {
    const detail::Passes passes(K);
    buffer_ = Buffer(static_cast<std::size_t>(K * packed_columns(N)) * sizeof(float));
    detail::pack_passes(passes, 0, passes.count(), N, B, static_cast<float*>(buffer_.data()));
  }

  std::int64_t K() const noexcept { return K_; }
  std::int64_t N() const noexcept { return N_; }
  const float* data() const noexcept { return static_cast<const float*>(buffer_.data()); }
  explicit operator bool() const { return static_cast<bool>(buffer_); }

 private:
  std::int64_t K_ = 0, N_ = 0;
  Buffer buffer_;
};

}  // namespace minivit::inline MINIVIT_ABI::kernels
