// Lengths of time as people write them.
#pragma once

#include <optional>
#include <string_view>

namespace minivit::cli {

/// Seconds of 90, 90s, 30m, 2h, 1h30m or 1.5h; nothing for another text.
std::optional<double> duration_from(std::string_view text);

}  // namespace minivit::cli
