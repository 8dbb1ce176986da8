// Paths as people type them.
#pragma once

#include <string>
#include <string_view>

namespace minivit::cli {

/// `typed` with a home folder in the place of ~ at its beginning: ~ and ~/photos are the user's own,
/// ~anna/photos is that of anna. A shell does this for most words, but not within quotes or behind
/// data.train=. Where nobody knows the folder, and for any other text, `typed` as it is.
std::string expand_home(std::string_view typed);

/// The path from the root of the file system, without . and .., as text; empty for an empty one.
std::string absolute_path(std::string_view path);

}  // namespace minivit::cli
