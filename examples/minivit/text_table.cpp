// Text for the terminal, in columns.
#include "text_table.hpp"

#include <algorithm>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::cli {

TextTable::TextTable(std::vector<std::string> header, std::vector<std::size_t> right)
    : right_(std::move(right)) {
  row(std::move(header));
}

void TextTable::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  check(rows_.empty() || cells.size() == rows_[0].size(), "table: a row of ", cells.size(),
        " cells, expected ", rows_.empty() ? 0 : rows_[0].size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::str(std::size_t width) const {
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& cells : rows_)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::clamp(length(cells[i]), widths[i], kWidest);
  std::string out;
  for (const auto& cells : rows_) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string gap(widths[i] - std::min(widths[i], length(cells[i])), ' ');
      const bool right = std::find(right_.begin(), right_.end(), i) != right_.end();
      line += str_cat(i > 0 ? "  " : "", right ? gap : "", cells[i], right ? "" : gap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += cut(line, width) + "\n";
  }
  return out;
}

std::size_t TextTable::length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string TextTable::cut(const std::string& line, std::size_t width) {
  if (width == 0 || length(line) <= width) return line;
  std::size_t end = 0, characters = 0;
  for (; end < line.size(); ++end)
    if (begins_character(line[end]) && ++characters == width) break;
  return line.substr(0, end) + "…";
}

}  // namespace minivit::cli
