// Checks of numbers on the command line, which say what was expected.
#pragma once

#include <CLI/CLI.hpp>
#include <limits>
#include <string>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"

namespace minivit::cli {

/// A number from `least` to `most`.
template <class T>
CLI::Validator number_from(T least, T most = std::numeric_limits<T>::max()) {
  const std::string range =
      most == std::numeric_limits<T>::max() ? str_cat(least, " or more") : str_cat(least, " to ", most);
  return {[=](std::string& text) {
            const std::optional<T> value = to_number<T>(text);
            return value && *value >= least && *value <= most
                       ? std::string()
                       : str_cat("found \"", text, "\", expected a number, ", range);
          },
          range};
}

}  // namespace minivit::cli
