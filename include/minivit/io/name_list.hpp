// Names in an error message: all, or the first few and how many more.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// Collects names under a title.
class NameList {
 public:
  explicit NameList(std::string_view title) : title_(title) {}

  void add(std::string_view name) {
    if (++count_ <= kShown) text_ += str_cat(count_ > 1 ? ", " : title_, name);
  }

  /// The title and the names; empty if there are none.
  [[nodiscard]] std::string text() const {
    return count_ > kShown ? str_cat(text_, " and ", count_ - kShown, " more") : text_;
  }

 private:
  static constexpr std::size_t kShown = 8;
  std::string_view title_;
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace minivit::inline MINIVIT_ABI::detail
