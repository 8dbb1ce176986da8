// Columns of text for the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "printable.hpp"

namespace minivit::cli {

/// A header and rows of equally many cells. Columns are as wide as their widest cell, up to 80 characters: a
/// longer cell moves what is behind it in its own line, so that one long value is not paid for in every line.
class TextTable {
 public:
  /// right: the columns that are aligned at their right end, as numbers are.
  explicit TextTable(std::vector<std::string> header, std::vector<std::size_t> right = {});

  /// Appends a row. Throws Error if it has another number of cells than the header.
  void row(std::vector<std::string> cells);

  /// The lines, each cut to `width` characters, the last of which is then an ellipsis; 0: as long as they
  /// are.
  std::string str(std::size_t width = 0) const;

  /// Characters of a text in UTF-8.
  static std::size_t length(std::string_view text);

 private:
  static constexpr std::size_t kWidest = 80;

  static bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }

  static std::string cut(const std::string& line, std::size_t width);

  std::vector<std::size_t> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace minivit::cli
