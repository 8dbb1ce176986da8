// Revision of the source tree around a folder.
#pragma once

#include <filesystem>
#include <string>

namespace minivit::cli {

/// The commit that is checked out in the git repository around `folder`, in eight digits, as "cfd31716";
/// empty without one. Reads a few small files and runs nothing: git would run what the configuration of that
/// repository names (core.fsmonitor, filters), whoever wrote it. So it is not said whether files have
/// changed.
std::string git_revision(const std::filesystem::path& folder = ".");

}  // namespace minivit::cli
