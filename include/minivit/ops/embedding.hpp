// Rows of a table, chosen by number.              table: (V, C)   ids: N   ->   y: (N, C)
#pragma once

#include <span>

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y_i = table[ids_i], as PyTorch's `embedding`. A row that is used several times gets the sum of the
/// gradients, added in the order of the ids. Throws ShapeError for a table that is not (V, C) or an id
/// outside of [0, V).
[[nodiscard]] Var embedding(const Var& table, std::span<const int> ids);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var embedding(const Var& table, std::span<const int> ids) {
  using kernels::Vec;
  detail::check_defined("embedding", "table", table);
  check<ShapeError>(table.rank() == 2, "embedding: table is ", table.shape(), ", expected (V, C)");
  const std::int64_t V = table.size(0), C = table.size(1), N = static_cast<std::int64_t>(ids.size());
  for (const int id : ids)
    check<ShapeError>(id >= 0 && id < V, "embedding: id ", id, " is out of range for a table of ", V,
                      " rows");
  Tensor y = Tensor::empty({N, C});
  for (std::int64_t i = 0; i < N; ++i)
    std::copy_n(table.data() + ids[static_cast<std::size_t>(i)] * C, C, y.data() + i * C);

  Buffer kept;  // the ids, for the backward pass
  if (Tape::local().wants({&table})) {
    kept = Buffer(ids.size_bytes());
    std::copy(ids.begin(), ids.end(), static_cast<int*>(kept.data()));
  }
  return Tape::local().record(
      std::move(y), {&table}, [table = table.edge(), kept, N, C](Tape& tape, const Tensor& dy) {
        if (Sink dtable = tape.sink(table)) {
          dtable.start_from_zero(table.shape().numel());
          const int* rows = static_cast<const int*>(kept.data());
          // Columns are shared out, so that no two threads add to the same row and the order stays.
          parallel_for(C, grain_for(3 * N), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = 0; i < N; ++i)
              dtable.write(
                  rows[i] * C + begin, end - begin, [](Vec g) { return g; }, dy.data() + i * C + begin);
          });
        }
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
