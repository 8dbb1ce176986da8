// Quotes around the values of settings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minivit::cli {

/// The position behind the text in quotes that begins at `at`; npos if it is not closed. Within the quotes a
/// backslash takes the meaning from the character behind it.
std::size_t behind_quotes(std::string_view text, std::size_t at);

/// `value` without the quotes ' or " that are around all of it; \" (\') and \\ in them are " (') and \.
/// Quotes that are not around all of it, as in Anna's, are letters. The same for a setting and for a value of
/// a sweep. Throws ConfigError if it begins with a quote that is not closed.
std::string without_quotes(std::string_view value);

/// A text of which `without_quotes` makes `value`: itself where it can be.
std::string with_quotes_if_needed(std::string_view value);

}  // namespace minivit::cli
