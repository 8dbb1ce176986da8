// A table that grows by a row an epoch.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "minivit/core/file.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Writes a CSV file; after every row the file is replaced by the longer one, so that it is complete at any
/// moment.
class History {
 public:
  History(std::filesystem::path path, std::string_view header) : path_(std::move(path)), text_(header) {
    text_ += '\n';
    write_file_atomically(path_, text_);
  }

  /// Appends the values, separated by commas. Throws FileError if it cannot be written.
  template <class... Values>
  void row(const Values&... values) {
    std::string line;
    ((line += concat(values, ',')), ...);
    line.back() = '\n';
    text_ += line;
    write_file_atomically(path_, text_);
  }

 private:
  std::filesystem::path path_;
  std::string text_;
};

}  // namespace minivit::inline MINIVIT_ABI
