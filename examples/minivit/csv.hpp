// Tables as files: a header and rows, written one at a time and read back by name.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"

namespace minivit::cli {

/// A text as a field of a CSV file (RFC 4180): in quotes if it has a comma, a quote or the end of a line.
std::string csv_field(std::string_view text);

/// A CSV file that grows by whole rows: a process that is killed leaves none half-written.
class CsvFile {
 public:
  /// Begins a new file, or, with keep_rows > 0 and an earlier file, goes on after that many of its rows
  /// without the others. Who reads it meanwhile sees the old rows or those that are kept. Throws FileError if
  /// it cannot be written, has another header or fewer rows.
  CsvFile(std::filesystem::path path, std::string_view header, std::int64_t keep_rows = 0);

  /// Appends the values, separated by commas: numbers in their shortest form that reads back equal, texts in
  /// quotes where they have to be. Throws FileError if that fails; the file then ends with the line before.
  template <class... Values>
  void row(const Values&... values) {
    std::string line;
    ((line += field(values), line += ','), ...);
    line.back() = '\n';
    append(line);
  }

  /// Forces it to the disk. Throws FileError.
  void sync();

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 32;

  template <class T>
  static std::string field(const T& value) {
    if constexpr (std::convertible_to<const T&, std::string_view>)
      return csv_field(value);
    else
      return str_cat(value);
  }

  void append(std::string_view text);

  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  io::detail::FileDescriptor fd_;
  std::uint64_t size_ = 0;
};

/// A table of numbers that CsvFile wrote.
struct CsvTable {
  std::vector<std::string> names;
  std::vector<std::vector<double>> rows;

  /// Number of the column of this name. Throws FileError if there is none.
  std::size_t column(std::string_view name) const;
};

/// Reads such a table. A last line without an end is left out: it is being written, or was when the power
/// failed. Throws FileError if it cannot be read, or for a row of another length or not of numbers.
CsvTable read_csv(const std::filesystem::path& path);

/// The same of a text; `name` is what messages call it.
CsvTable parse_csv(std::string_view text, const std::string& name);

}  // namespace minivit::cli
