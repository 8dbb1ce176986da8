// Lengths of time: numbers with h, m or min, and s behind them.
#include "duration.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "minivit/core/number.hpp"

namespace minivit::cli {

std::optional<double> duration_from(std::string_view text) {
  if (const auto seconds = to_number<double>(text)) return *seconds >= 0 ? seconds : std::nullopt;
  double sum = 0, unit_before = 1e9;
  do {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto number = to_number<double>(text.substr(0, digits));
    if (!number || digits == text.size()) return std::nullopt;
    text.remove_prefix(digits);
    const double unit = text[0] == 'h' ? 3600 : text[0] == 'm' ? 60 : text[0] == 's' ? 1 : 0;
    if (unit == 0 || unit >= unit_before) return std::nullopt;
    sum += *number * unit, unit_before = unit;
    text.remove_prefix(text.starts_with("min") ? 3 : 1);
  } while (!text.empty());
  return sum;
}

}  // namespace minivit::cli
