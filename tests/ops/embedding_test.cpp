// Rows of a table, against double precision.
#include "minivit/ops/embedding.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <span>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

void check_embedding(const Shape& table, const std::vector<int>& ids) {
  check_op({str_cat("embedding ", table, " of ", ids.size()),
            {in(table)},
            [=](const std::vector<Var>& x) {
              std::vector<int> passing = ids;  // gone by the time of the backward pass
              return embedding(x[0], passing);
            },
            [=](const std::vector<Array>& x) {
              const std::int64_t C = x[0].shape[1];
              Array y({static_cast<std::int64_t>(ids.size()), C});
              for (std::int64_t i = 0; i < y.shape[0] * C; ++i)
                y[i] = x[0][ids[static_cast<std::size_t>(i / C)] * C + i % C];
              return y;
            }});
}

}  // namespace

TEST_CASE("embedding, with ids that repeat and ids that are missing") {
  for (const std::int64_t n : op_test::odd_sizes()) check_embedding({4, n}, {2, 0, 2, 2, 3});
  check_embedding({1, 3}, {0});
  check_embedding({5, 3}, {});
  check_embedding({0, 3}, {});
  std::vector<int> many(700);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int>(i * i % 50);
  check_embedding({50, 97}, many);
}

TEST_CASE("embedding names what does not fit") {
  const auto message = [](const Shape& table, int id) {
    return message_of<ShapeError>(
        [&] { return embedding(Tensor::zeros(table), std::span<const int>(&id, 1)); });
  };
  CHECK(message({3}, 0) == "embedding: table is (3), expected (V, C)");
  CHECK(message({3, 2}, 3) == "embedding: id 3 is out of range for a table of 3 rows");
  CHECK(message({3, 2}, -1) == "embedding: id -1 is out of range for a table of 3 rows");
  CHECK(message({0, 2}, 0) == "embedding: id 0 is out of range for a table of 0 rows");
  CHECK(message({3, 2}, std::numeric_limits<int>::min()) ==
        "embedding: id -2147483648 is out of range for a table of 3 rows");
}
