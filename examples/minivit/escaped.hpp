// Names of files as text, which can be turned back into the names.
//
// A file's name is any bytes but 0 and /, the text of JSON and CSV is UTF-8. Bytes that do not fit are
// written \xHH, and then every backslash of the name twice. A text with \x in it was escaped, any other is
// the name itself: a name that holds \x is escaped for that alone. So two names never become one text.
#pragma once

#include <string>
#include <string_view>

namespace minivit::cli {

/// `name` as UTF-8: bytes that are not become \xHH. For JSON, which has words of its own for control
/// characters.
std::string escaped_bytes(std::string_view name);

/// `name` as one line that may be shown on a terminal: also what would steer the terminal or end the line
/// becomes \xHH.
std::string escaped(std::string_view name);

/// The name that one of the two has made `text` of.
std::string unescaped(std::string_view text);

/// JSON text in which characters that would steer a terminal are written \uHHHH: the same value, safe to
/// show.
std::string shown_json(std::string_view json);

}  // namespace minivit::cli
