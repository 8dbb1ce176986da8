// Muon against its formula in double precision.
#include "minivit/train/muon.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "minivit/model/vit.hpp"

using namespace minivit;

namespace {

/// Rows × columns numbers in double precision.
struct Matrix {
  std::int64_t rows, columns;
  std::vector<double> x;

  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), x(static_cast<std::size_t>(r * c)) {}
  double& operator()(std::int64_t i, std::int64_t j) { return x[static_cast<std::size_t>(i * columns + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const {
    return x[static_cast<std::size_t>(i * columns + j)];
  }

  Matrix transposed() const {
    Matrix y(columns, rows);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) y(j, i) = (*this)(i, j);
    return y;
  }

  Matrix operator*(const Matrix& b) const {
    Matrix y(rows, b.columns);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t k = 0; k < columns; ++k)
        for (std::int64_t j = 0; j < b.columns; ++j) y(i, j) += (*this)(i, k) * b(k, j);
    return y;
  }
};

/// Five steps x <- a x + (b s + c s s) x with s = x xᵀ.
Matrix newton_schulz(Matrix x) {
  double norm = 0;
  for (const double v : x.x) norm += v * v;
  for (double& v : x.x) v /= std::sqrt(norm) + 1e-7;
  for (int step = 0; step < 5; ++step) {
    const Matrix s = x * x.transposed(), ss = s * s, sx = s * x, ssx = ss * x;
    for (std::size_t i = 0; i < x.x.size(); ++i)
      x.x[i] = 3.4445 * x.x[i] - 4.7750 * sx.x[i] + 2.0315 * ssx.x[i];
  }
  return x;
}

Matrix random(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Matrix m(rows, columns);
  Rng rng(seed);
  for (double& v : m.x) v = static_cast<double>(rng.normal());
  return m;
}

Tensor to_tensor(const Matrix& m) {
  Tensor t = Tensor::empty({m.rows, m.columns});
  std::copy(m.x.begin(), m.x.end(), t.data());
  return t;
}

ViTConfig small() {
  ViTConfig c;
  c.image_height = c.image_width = 8, c.patch_size = 4, c.embedding_dim = 16, c.num_layers = 1;
  c.num_heads = 2, c.num_classes = 3, c.mlp_ratio = 2;
  return c;
}

}  // namespace

TEST_CASE("orthogonalized is Newton's and Schulz's iteration, wide, tall and square") {
  for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{5, 9}, {9, 5}, {8, 8}, {1, 4}}) {
    const Matrix g = random(rows, columns, 3), expected = newton_schulz(g);
    const Tensor found = orthogonalized(to_tensor(g));
    for (std::int64_t i = 0; i < rows * columns; ++i)
      CHECK(found.data()[i] == doctest::Approx(expected.x[static_cast<std::size_t>(i)]).epsilon(1e-3));
  }
  CHECK((orthogonalized(Tensor::zeros({3, 4})).array() == 0.0f).all());
}

TEST_CASE("Muon steps matrices of blocks by the formula, the parts of qkv each, and the rest as AdamW") {
  manual_seed(1);
  VisionTransformer net(small());
  ParameterArena arena = flatten(net);
  const Muon::Options options{.momentum = 0.9f, .weight_decay = 0.1f};
  Muon optimizer(arena, options);
  std::vector<double> p(arena.values.values().begin(), arena.values.values().end()), m(p.size()), v(p.size());
  const double mu = options.momentum, lr = static_cast<double>(0.01f);
  for (int t = 1; t <= 3; ++t) {
    Rng rng(11, static_cast<std::uint64_t>(t));
    for (const ParameterArena::Slot& slot : arena.slots)  // padding has none
      for (std::int64_t i = 0; i < slot.shape.numel(); ++i)
        arena.grads.data()[slot.begin + i] = 0.1f * rng.normal();
    for (const ParameterArena::Slot& slot : arena.slots) {
      const auto begin = static_cast<std::size_t>(slot.begin);
      const auto g = [&](std::size_t i) { return static_cast<double>(arena.grads.data()[i]); };
      const double decay = slot.decay ? static_cast<double>(options.weight_decay) : 0.0;
      if (slot.shape.rank() == 2 && slot.name.starts_with("blocks.")) {
        const std::int64_t parts = slot.name == "blocks.0.attn.qkv.weight" ? 3 : 1,
                           rows = slot.shape[0] / parts, columns = slot.shape[1];
        for (std::int64_t part = 0; part < parts; ++part) {
          const auto first = begin + static_cast<std::size_t>(part * rows * columns);
          Matrix ahead(rows, columns);
          for (std::size_t i = 0; i < ahead.x.size(); ++i) {
            m[first + i] = mu * m[first + i] + (1 - mu) * g(first + i);
            ahead.x[i] = (1 - mu) * g(first + i) + mu * m[first + i];
          }
          const Matrix u = newton_schulz(ahead);
          const double rate = lr * 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)));
          for (std::size_t i = 0; i < u.x.size(); ++i)
            p[first + i] = p[first + i] * (1 - lr * decay) - rate * u.x[i];
        }
        continue;
      }
      for (std::size_t i = begin; i < begin + static_cast<std::size_t>(slot.shape.numel()); ++i) {
        m[i] = mu * m[i] + (1 - mu) * g(i);
        v[i] = double{options.beta2} * v[i] + (1 - double{options.beta2}) * g(i) * g(i);
        p[i] = p[i] * (1 - lr * decay) -
               lr * (m[i] / (1 - std::pow(mu, t))) /
                   (std::sqrt(v[i] / (1 - std::pow(double{options.beta2}, t))) + double{options.eps});
      }
    }
    optimizer.step(0.01f, 1.0f, t == 3);
  }
  CHECK((arena.grads.array() == 0.0f).all());
  double worst = 0;
  for (std::size_t i = 0; i < p.size(); ++i)
    worst = std::max(worst, std::fabs(p[i] - static_cast<double>(arena.values.data()[i])));
  CHECK(worst < 2e-5);
}
