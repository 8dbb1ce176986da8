// HEAD of a git repository, read from its files: see gitrepository-layout(5).
#include "git_revision.hpp"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "minivit/core/file.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxLine = 4096, kMaxPackedRefs = std::size_t{64} << 20;

/// The content of a file without blanks at its end; empty if it cannot be read.
std::string content(const fs::path& path, std::size_t max_bytes) {
  try {
    std::string text = io::read_file(path, max_bytes);
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    return text;
  } catch (const FileError&) { return {}; }
}

/// The first eight digits of a commit (SHA-1 or SHA-256); empty if `text` is none.
std::string commit(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const bool valid = (text.size() == 40 || text.size() == 64) && std::ranges::all_of(text, is_digit);
  return valid ? std::string(text.substr(0, 8)) : std::string();
}

/// The path that a file holds behind `keyword`, from the folder that the file is in; empty if there is none.
fs::path named_in(const fs::path& file, std::string_view keyword) {
  const std::string text = content(file, kMaxLine);
  if (!text.starts_with(keyword) || text.size() == keyword.size()) return {};
  return file.parent_path() / text.substr(keyword.size());
}

/// The commit of a reference, as "refs/heads/main".
std::string commit_of(const std::string& reference, const fs::path& git, const fs::path& common) {
  for (const fs::path& folder : {git, common})
    if (std::string found = commit(content(folder / reference, kMaxLine)); !found.empty()) return found;
  // "COMMIT REFERENCE" in each line
  const std::string packed = content(common / "packed-refs", kMaxPackedRefs);
  for (std::string_view rest = packed; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (const std::size_t space = line.find(' '); line.substr(space + 1) == reference)
      return commit(line.substr(0, space));
  }
  return {};
}

}  // namespace

std::string git_revision(const fs::path& folder) {
  std::error_code error;
  fs::path place = fs::absolute(folder, error).lexically_normal(), git;
  for (;; place = place.parent_path()) {
    git = place / ".git";
    // In a linked work tree and in a submodule it is a file that says where.
    if (fs::is_regular_file(git, error)) git = named_in(git, "gitdir: ");
    if (!git.empty() && fs::exists(git / "HEAD", error)) break;
    if (place == place.parent_path()) return {};
  }
  fs::path common = named_in(git / "commondir", "");
  if (common.empty()) common = git;
  const std::string head = content(git / "HEAD", kMaxLine);
  if (!head.starts_with("ref: ")) return commit(head);
  const std::string reference = head.substr(5);
  if (!reference.starts_with("refs/") || reference.find("..") != std::string::npos) return {};
  return commit_of(reference, git, common);
}

}  // namespace minivit::cli
