// Attention, from loops over a matrix of probabilities to strips that never leave the cache: o = softmax(q kᵀ
// / √D) v for all heads of a batch, q, k, v being columns of qkv (B, T, 3C) as the projection wrote them.
#pragma once

#include "minivit/core/parallel.hpp"
#include "minivit/kernels/attention.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/softmax.hpp"
#include "stage.hpp"

namespace bench::attention {

using minivit::kernels::MatrixView;

constexpr std::int64_t B = 4, T = 197, H = 6, D = 64, C = H * D;
inline const float kScale = 1.0f / std::sqrt(static_cast<float>(D));

/// Where the head's queries and results are; its keys and values lie C and 2C floats behind the queries.
struct Head {
  const float* q;
  float *o, *p;  // p: (T, T)
};

/// What the formula says, with all probabilities in memory.
inline void naive(const Head& h) {
  const float *q = h.q, *k = h.q + C, *v = h.q + 2 * C;
  for (std::int64_t i = 0; i < T; ++i) {
    float* const p = h.p + i * T;
    for (std::int64_t j = 0; j < T; ++j) {
      p[j] = 0;
      for (std::int64_t d = 0; d < D; ++d) p[j] += q[i * 3 * C + d] * k[j * 3 * C + d];
      p[j] *= kScale;
    }
    const float largest = *std::max_element(p, p + T);
    float total = 0;
    for (std::int64_t j = 0; j < T; ++j) total += p[j] = std::exp(p[j] - largest);
    for (std::int64_t d = 0; d < D; ++d) {
      float sum = 0;
      for (std::int64_t j = 0; j < T; ++j) sum += p[j] * v[j * 3 * C + d];
      h.o[i * C + d] = sum / total;
    }
  }
}

/// Two fast products and a fast softmax between them; operands and result `stride` and `o_stride` floats
/// from row to row.
inline void products(const float* q, const float* k, const float* v, std::int64_t stride, float* p, float* o,
                     std::int64_t o_stride) {
  minivit::kernels::gemm(T, T, D, MatrixView::rows(q, stride), MatrixView::rows(k, stride).transposed(), p, T,
                         {.scale = kScale});
  for (std::int64_t i = 0; i < T; ++i) minivit::kernels::softmax_row(T, p + i * T, p + i * T);
  minivit::kernels::gemm(T, D, T, MatrixView::rows(p, T), MatrixView::rows(v, stride), o, o_stride);
}

struct Copies;

/// The heads are first copied out of qkv, as a framework's transpose does, and the result back.
inline void on_copies(const Head& h) {
  float* const copies = minivit::scratch<Copies>(4 * T * D);  // q, k, v, o
  for (int part = 0; part < 3; ++part)
    for (std::int64_t i = 0; i < T; ++i)
      std::copy_n(h.q + i * 3 * C + part * C, D, copies + (part * T + i) * D);
  float* const o = copies + 3 * T * D;
  products(copies, copies + T * D, copies + 2 * T * D, D, h.p, o, D);
  for (std::int64_t i = 0; i < T; ++i) std::copy_n(o + i * D, D, h.o + i * C);
}

/// The products read the heads where they are.
inline void in_place(const Head& h) { products(h.q, h.q + C, h.q + 2 * C, 3 * C, h.p, h.o, C); }

/// The same, but all heads use one matrix of probabilities: for when there is no gradient.
struct Shared;
inline void one_matrix(const Head& h) { in_place({h.q, h.o, minivit::scratch<Shared>(T * T)}); }

struct Rows;

/// A tile's queries × all keys at a time, stored as the second product reads them: kLanes keys of each query
/// in turn. A query is a row, whose largest score and sum are found across lanes.
inline void strips_of_rows(const Head& h) {
  using namespace minivit;
  using namespace minivit::kernels;
  constexpr std::int64_t kKeys = packed_columns(T);
  float* const keys = scratch<Rows>(D * kKeys + T * D + kTileRows * (D + kKeys));
  float *const values = keys + D * kKeys, *const tile = values + T * D, *const strip = tile + kTileRows * D;
  pack_b(D, T, MatrixView::rows(h.q + C, 3 * C).transposed(), 0, 0, T, D, 0, keys);
  pack_b(T, D, MatrixView::rows(h.q + 2 * C, 3 * C), 0, 0, D, T, 0, values);
  for (std::int64_t i = 0; i < T; i += kTileRows) {
    const std::int64_t rows = std::min<std::int64_t>(kTileRows, T - i);
    pack_rows<kTileRows>(rows, D, MatrixView::rows(h.q, 3 * C), i, 0, tile);
    kernels::detail::for_each_panel(T, [&]<int V>(std::integral_constant<int, V>, std::int64_t j) {
      Vec sums[kTileRows][V] = {};
      multiply_add_packed<kTileRows, V, true>(sums, D, tile, keys + j * D, {});
      for (int r = 0; r < kTileRows; ++r)
        for (int v = 0; v < V; ++v)
          store(strip + (j + v * kLanes) * kTileRows + r * kLanes, sums[r][v] * kScale);
    });
    for (std::int64_t r = 0; r < rows; ++r) {
      constexpr std::int64_t kStep = kTileRows * kLanes, kEnd = kKeys / kLanes * kStep;
      float* const s = strip + r * kLanes;
      float* const end = s + kEnd - kStep;  // the last vector is not full
      store(end, load_partial(end, T - (kKeys - kLanes), -HUGE_VALF));
      Vec top = broadcast(-HUGE_VALF), total{};
      for (std::int64_t b = 0; b < kEnd; b += kStep) top = max(top, load(s + b));
      const float largest = max_lane(top);
      for (std::int64_t b = 0; b < kEnd; b += kStep) {
        const Vec e = exp_negative(load(s + b) - largest);
        total += e;
        store(s + b, e);
      }
      const float inverse = 1 / sum(total);
      for (std::int64_t b = 0; b < kEnd; b += kStep) store(s + b, load(s + b) * inverse);
    }
    for (std::int64_t d = 0; d < D; d += kTileColumns) {
      Vec sums[kTileRows][kTileVectors] = {};
      multiply_add_packed<kTileRows, kTileVectors, true>(sums, T, strip, values + d * T, {});
      write_rows<kTileRows, kTileVectors>(sums, rows, kTileColumns, h.o + i * C + d, C,
                                          minivit::kernels::Write::set);
    }
  }
}

/// A panel of queries, one in each lane, × all keys at a time.
inline void strips_of_lanes(const Head& h) {
  minivit::kernels::attention_forward(T, T, D, h.q, h.q + C, h.q + 2 * C, 3 * C, h.o, C,
                                      minivit::kernels::Write::set, nullptr, {});
}

struct Attention : Topic {
  Tensor qkv = random({B, T, 3 * C}, 1, -2, 2), p = Tensor::zeros({B * H, T, T});

  Attention() : Topic("attention", "24 heads, T 197, D 64") {
    flops = 4.0 * B * H * T * T * D;
    result = Tensor::empty({B, T, C});
    expected = Tensor::empty({B, T, C});
    for_each_head(expected, reference);
    const auto stage = [&](const char* name, void (*f)(const Head&), bool threads = false) {
      stages.push_back({name, [this, f] { for_each_head(result, f); }, threads});
    };
    stage("loops", naive);
    stage("products of copies", on_copies);
    stage("products in place", in_place);
    stage("one (T, T) for all heads", one_matrix);
    stage("strips, queries in rows", strips_of_rows);
    stage("strips, queries in lanes", strips_of_lanes);
    stage("the same, all threads", strips_of_lanes, true);
  }

  void for_each_head(Tensor& o, void (*f)(const Head&)) {
    minivit::parallel_for(B * H, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        f({qkv.data() + i / H * T * 3 * C + i % H * D, o.data() + i / H * T * C + i % H * D,
           p.data() + i * T * T});
    });
  }

  static void reference(const Head& h) {
    for (std::int64_t i = 0; i < T; ++i) {
      double p[T], total = 0, o[D] = {};
      for (std::int64_t j = 0; j < T; ++j) {
        double s = 0;
        for (std::int64_t d = 0; d < D; ++d) s += double{h.q[i * 3 * C + d]} * h.q[j * 3 * C + C + d];
        total += p[j] = std::exp(s / std::sqrt(double{D}));
        for (std::int64_t d = 0; d < D; ++d) o[d] += p[j] * h.q[j * 3 * C + 2 * C + d];
      }
      for (std::int64_t d = 0; d < D; ++d) h.o[i * C + d] = static_cast<float>(o[d] / total);
    }
  }
};

}  // namespace bench::attention
