// Multi-head attention, against the formula in double precision.
#include "minivit/ops/attention.hpp"
#include "minivit/autograd/tape.hpp"
#include "minivit/core/parallel.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/softmax.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// 0 or 1 / (1 - p) for probability (i, j) of a head, as the comment of AttentionMask says.
double mask(const Rng& stream, float p, std::int64_t T, std::int64_t head, std::int64_t i, std::int64_t j) {
  if (p == 0) return 1;
  const std::int64_t at = (head * T + j) * ((T + 3) / 4 * 4) + i;
  const std::uint32_t word = stream.at(static_cast<std::uint64_t>(at / 4))[static_cast<std::size_t>(at % 4)];
  return word < double{p} * 0x1p32 ? 0 : 1 / (1 - double{p});
}

Array attention_reference(const Array& qkv, std::int64_t H, float p = 0, const Rng& stream = Rng(),
                          Diagonal diagonal = Diagonal::kept) {
  const std::int64_t B = qkv.shape[0], T = qkv.shape[1], C = qkv.shape[2] / 3, D = C / H;
  Array y({B, T, C});
  std::vector<double> s(static_cast<std::size_t>(T));
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t h = 0; h < H && D > 0; ++h)
      for (std::int64_t i = 0; i < T; ++i) {
        const auto at = [&](std::int64_t t, std::int64_t which) {
          return &qkv.values[static_cast<std::size_t>((b * T + t) * 3 * C + which * C + h * D)];
        };
        for (std::int64_t j = 0; j < T; ++j) {
          double dot = 0;
          for (std::int64_t d = 0; d < D; ++d) dot += at(i, 0)[d] * at(j, 1)[d];
          const bool never = diagonal == Diagonal::masked && i == j;
          s[static_cast<std::size_t>(j)] = never ? -HUGE_VAL : dot / std::sqrt(static_cast<double>(D));
        }
        reference::softmax_row(T, 1, s.data(), s.data(), false);
        for (std::int64_t j = 0; j < T; ++j) {
          const double weight = s[static_cast<std::size_t>(j)] * mask(stream, p, T, b * H + h, i, j);
          for (std::int64_t d = 0; d < D; ++d) y[(b * T + i) * C + h * D + d] += weight * at(j, 2)[d];
        }
      }
  return y;
}

/// The same of separate operations: what `attention` is, unfused.
Var unfused(const Var& qkv, std::int64_t H) {
  const std::int64_t B = qkv.size(0), T = qkv.size(1), C = qkv.size(2) / 3, D = C / H;
  const Var heads = permute(reshape(qkv, Shape{B, T, 3, H, D}), {2, 0, 3, 1, 4});  // (3, B, H, T, D)
  const auto part = [&](std::int64_t i) {
    return reshape(slice_axis(heads, 0, i, i + 1), Shape{B, H, T, D});
  };
  const Var p = softmax(matmul(part(0), part(1), false, true) * (1 / std::sqrt(static_cast<float>(D))));
  return reshape(permute(matmul(p, part(2)), {0, 2, 1, 3}), Shape{B, T, C});
}

void check_attention(std::int64_t B, std::int64_t T, std::int64_t H, std::int64_t D) {
  for (const Diagonal diagonal : {Diagonal::kept, Diagonal::masked}) {
    if (diagonal == Diagonal::masked && T == 1) continue;
    check_op({str_cat("attention of ", B, " samples, ", T, " tokens, ", H, " heads of ", D,
                      diagonal == Diagonal::masked ? ", without the diagonal" : ""),
              {in({B, T, 3 * H * D}, -2, 2)},
              [=](const std::vector<Var>& x) {
                return attention(x[0], H, 0.5f, diagonal);
              },  // outside of Training: nothing is dropped
              [=](const std::vector<Array>& x) { return attention_reference(x[0], H, 0, Rng(), diagonal); }});
  }
}

}  // namespace

TEST_CASE("attention") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_attention(1, n, 2, 3);
    if (n > 0) check_attention(1, 5, 1, n);
  }
  check_attention(0, 3, 2, 4);
  check_attention(2, 5, 3, 4);
  check_attention(3, 17, 2, 8);
  check_attention(1, 5, 7, 1);
  check_attention(2, 197, 3, 4);
  for (const std::int64_t T : {255, 256, 257}) check_attention(1, T, 1, 5);
  check_attention(1, 513, 1, 2);
  check_attention(9, 5, 2, 4);  // images enough to be dealt out whole
  for (const std::int64_t D : {15, 16, 17, 31, 33, 48, 64, 80}) check_attention(1, 19, 2, D);
}

TEST_CASE("attention is softmax(q k') v") {
  for (const std::int64_t T : {1, 7, 65, 257}) {
    const Tensor qkv = op_test::make(in({2, T, 3 * 24}, -2, 2)), seed = op_test::make(in({2, T, 24}), 2);
    const Var x = variable(qkv), z = variable(qkv);
    const Var y = attention(x, 3), expected = unfused(z, 3);
    for (std::int64_t i = 0; i < y.numel(); ++i) CHECK(std::fabs(y.data()[i] - expected.data()[i]) <= 3e-6f);
    backward(add(y, expected), seed);
    for (std::int64_t i = 0; i < qkv.numel(); ++i)
      CHECK(std::fabs(x.grad().data()[i] - z.grad().data()[i]) <= 1e-5f);
  }
}

TEST_CASE("attention with dropout draws the same mask again for the gradient") {
  for (const Diagonal diagonal : {Diagonal::kept, Diagonal::masked})
    for (const std::int64_t T : {diagonal == Diagonal::kept ? 1 : 2, 5, 33, 258})
      check_op({str_cat("attention with dropout, ", T, " tokens"),
                {in({2, T, 3 * 2 * 3}, -2, 2)},
                [=](const std::vector<Var>& x) {
                  manual_seed(11);
                  const Training scope;
                  return attention(x[0], 2, 0.3f, diagonal);
                },
                [=](const std::vector<Array>& x) {
                  return attention_reference(x[0], 2, 0.3f, Generator(11).stream(Generator::Purpose::dropout),
                                             diagonal);
                }});
}

TEST_CASE("attention gives the same bits however heads and queries are divided among threads") {
  const int before = num_threads();
  for (const Diagonal diagonal : {Diagonal::kept, Diagonal::masked})
    for (const auto& [B, T] : {std::pair{1, 1}, {1, 33}, {1, 197}, {9, 40}}) {
      if (diagonal == Diagonal::masked && T == 1) continue;
      const Tensor qkv = op_test::make(in({B, T, 3 * 3 * 8}, -2, 2));
      Tensor y, dx;
      for (const int threads : {1, 2, 3, 8}) {
        set_num_threads(threads);
        manual_seed(4);
        const Training scope;
        const Var x = variable(qkv), z = attention(x, 3, 0.2f, diagonal);
        backward(z, Tensor::full(z.shape(), 1));
        if (threads == 1) y = z.value(), dx = x.grad();
        for (std::int64_t i = 0; i < y.numel(); ++i) CHECK(z.value().data()[i] == y.data()[i]);
        for (std::int64_t i = 0; i < dx.numel(); ++i) CHECK(x.grad().data()[i] == dx.data()[i]);
      }
    }
  set_num_threads(before);
}

TEST_CASE("attention drops something else each time, and the same after manual_seed") {
  const Training scope;
  const Var qkv = op_test::make(in({1, 16, 12}));
  const auto sum_of = [&] {
    double total = 0;
    const Var y = attention(qkv, 2, 0.5f);
    for (const float v : y.value().values()) total += v;
    return total;
  };
  manual_seed(3);
  const double first = sum_of(), second = sum_of();
  manual_seed(3);
  CHECK(sum_of() == first);
  CHECK(sum_of() == second);
  CHECK(first != second);
}

TEST_CASE("rows of the attention map are probabilities, those that attention uses") {
  const std::int64_t B = 2, T = 33, H = 3, D = 4;
  const Tensor qkv = op_test::make(in({B, T, 3 * H * D}, -2, 2));
  for (const Diagonal diagonal : {Diagonal::kept, Diagonal::masked}) {
    const Tensor p = attention_map(qkv, H, diagonal);
    CHECK(p.shape() == Shape{B, H, T, T});
    const Var y = attention(qkv, H, 0.0f, diagonal);
    for (std::int64_t b = 0; b < B; ++b)
      for (std::int64_t h = 0; h < H; ++h)
        for (std::int64_t i = 0; i < T; ++i) {
          double total = 0, value = 0;
          for (std::int64_t j = 0; j < T; ++j) {
            CHECK((p(b, h, i, j) > 0) == (diagonal == Diagonal::kept || i != j));
            total += p(b, h, i, j);
            value += double{p(b, h, i, j)} * qkv(b, j, 2 * H * D + h * D);
          }
          CHECK(std::fabs(total - 1) <= 1e-6);
          CHECK(std::fabs(value - y.value()(b, i, h * D)) <= 1e-6);
        }
  }
}

TEST_CASE("of two tokens that do not look at themselves each gives the other its value") {
  const Tensor qkv = op_test::make(in({3, 2, 3 * 8}, -2, 2));
  const Tensor y = attention(qkv, 2, 0.0f, Diagonal::masked).value();
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t t = 0; t < 2; ++t)
      for (std::int64_t c = 0; c < 8; ++c) CHECK(y(b, t, c) == qkv(b, 1 - t, 16 + c));
}

TEST_CASE("large scores do not overflow, NaN stays in its head") {
  Tensor qkv = op_test::make(in({1, 5, 12}, -1000, 1000));
  for (const Diagonal diagonal : {Diagonal::kept, Diagonal::masked}) {
    const Var x = variable(qkv);
    const Var y = attention(x, 2, 0.0f, diagonal);
    backward(y, Tensor::full(y.shape(), 1));
    for (const float v : y.value().values()) CHECK(std::isfinite(v));
    for (const float g : x.grad().values()) CHECK(std::isfinite(g));
  }
  qkv(0, 3, 0) = std::numeric_limits<float>::quiet_NaN();  // query 3 of head 0
  const Var z = attention(qkv, 2);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t c = 0; c < 4; ++c) CHECK(std::isnan(z.value()(0, i, c)) == (i == 3 && c < 2));
}

TEST_CASE("attention says what does not fit") {
  const auto message = [](const Shape& qkv, std::int64_t heads) {
    return message_of<ShapeError>([&] { return attention(Tensor::zeros(qkv), heads); });
  };
  CHECK(message({2, 6}, 1) == "attention: qkv is (2, 6), expected (B, T, 3C) with C divisible by 1 heads");
  CHECK(message({1, 2, 12}, 3) ==
        "attention: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by 3 heads");
  CHECK(message({1, 2, 12}, 0) ==
        "attention: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by 0 heads");
  CHECK(message({1, 2, 12}, -2) ==
        "attention: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by -2 heads");
  CHECK(message_of<ShapeError>([] {
          return attention_map(Tensor::zeros({1, 2, 12}), 3);
        }) == "attention_map: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by 3 heads");
  CHECK(message_of<ShapeError>([] {
          return attention(Tensor::zeros({5, 1, 12}), 2, 0.0f, Diagonal::masked);
        }) == "attention: qkv is (5, 1, 12), expected two tokens or more where none looks at itself");
  for (const float p : {-0.1f, 1.0f, std::numeric_limits<float>::quiet_NaN()})
    CHECK(message_of<ConfigError>([&] {
            return attention(Tensor::zeros({1, 2, 12}), 2, p);
          }) == str_cat("attention: dropout is ", p, ", expected 0 ≤ p < 1"));
}

TEST_CASE("attention_map of nothing") {
  CHECK(message_of<ShapeError>([] { return attention_map(Tensor(), 1); }) ==
        "attention_map: qkv is empty, expected a tensor");
}

TEST_CASE("attention refuses a number of heads of which three times as many overflow") {
  const std::int64_t many = std::numeric_limits<std::int64_t>::max();
  CHECK(message_of<ShapeError>([&] {
          return attention(Tensor::zeros({1, 2, 12}), many);
        }) ==
        str_cat("attention: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by ", many, " heads"));
}
