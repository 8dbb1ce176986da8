// A folder to be replaced with a model: only if this program wrote what is in it.
#pragma once

#include <filesystem>
#include <string>

namespace minivit::cli {

/// Throws ConfigError, which names the option, unless `folder` is not there, empty, or holds nothing but a
/// model that minivit wrote: its configuration says so, or a card that nobody has changed since. A README.md
/// of one's own, and a model that was downloaded, stay.
void check_model_destination(const std::string& option, const std::filesystem::path& folder);

}  // namespace minivit::cli
