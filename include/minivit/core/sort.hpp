// Sorting where speed does not matter: std::sort is compiled anew, 5 kB of code, for every type and order
// that it meets; this is compiled once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The positions 0 … n-1 by `before(context, i, j)`, merging ever longer runs.
[[gnu::noinline]] inline std::vector<std::uint32_t> merge_sorted(
    std::uint32_t n, bool (*before)(const void* context, std::uint32_t i, std::uint32_t j),
    const void* context) {
  std::vector<std::uint32_t> order(n), merged(n);
  for (std::uint32_t i = 0; i < n; ++i) order[i] = i;
  const auto at = [n](std::uint64_t i) { return static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(i, n)); };
  for (std::uint64_t run = 1; run < n; run *= 2) {
    for (std::uint64_t i = 0; i < n; i += 2 * run)
      std::merge(order.begin() + at(i), order.begin() + at(i + run), order.begin() + at(i + run),
                 order.begin() + at(i + 2 * run), merged.begin() + at(i),
                 [=](std::uint32_t a, std::uint32_t b) { return before(context, a, b); });
    order.swap(merged);
  }
  return order;
}

}  // namespace detail

/// The positions 0 … n-1 in the order in which `before(i, j)` says that i comes before j; of equal ones the
/// smaller first.
template <class Before>
std::vector<std::uint32_t> sorted_positions(std::size_t n, const Before& before) {
  return detail::merge_sorted(
      static_cast<std::uint32_t>(n),
      [](const void* b, std::uint32_t i, std::uint32_t j) {
        return static_cast<bool>((*static_cast<const Before*>(b))(i, j));
      },
      &before);
}

/// Sorts `items`, fewer than 2^32, by `before(a, b)`; equal ones keep their order.
template <class T, class Before>
void stable_sort(std::vector<T>& items, const Before& before) {
  auto order = sorted_positions(items.size(),
                                [&](std::uint32_t i, std::uint32_t j) { return before(items[i], items[j]); });
  // In place, one cycle of items that take each other's places after the other: i gets order[i].
  for (std::uint32_t start = 0; start < items.size(); ++start) {
    T first = std::move(items[start]);
    std::uint32_t to = start;
    for (std::uint32_t from = order[to]; from != start; from = order[to]) {
      items[to] = std::move(items[from]);
      order[to] = to;  // done
      to = from;
    }
    items[to] = std::move(first);
    order[to] = to;
  }
}

}  // namespace minivit::inline MINIVIT_ABI
