// curl, asked for files.
#include "download.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/number.hpp"
#include "process.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

/// What the headers of a response and of the redirections before it say.
struct Headers {
  int status = 0;
  std::string linked_etag, etag, commit;

  /// The hash that is announced, in lower case; empty if there is none.
  std::string sha256() const {
    for (const std::string& tag : {linked_etag, etag})
      if (tag.size() == 64 && std::ranges::all_of(tag, [](unsigned char c) { return std::isxdigit(c) != 0; }))
        return tag;
    return "";
  }
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Headers read_headers(const fs::path& file) {
  Headers h;
  std::error_code error;
  if (!fs::exists(file, error)) return h;
  const std::string text = io::read_file(file, std::size_t{1} << 20);
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // a response begins: its tag is that of what it brings
      const std::size_t blank = line.find(' ');
      h.status = blank == std::string_view::npos ? 0 : to_number<int>(line.substr(blank + 1, 3)).value_or(0);
      h.etag.clear();
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = lower(line.substr(0, colon));
    std::string value = lower(line.substr(std::min(line.size(), line.find_first_not_of(" \t", colon + 1))));
    if (value.starts_with("w/")) value.erase(0, 2);
    std::erase(value, '"');
    if (name == "etag") h.etag = value;
    if (name == "x-linked-etag") h.linked_etag = value;
    if (name == "x-repo-commit") h.commit = value;
  }
  return h;
}

/// One attempt: curl's exit code, and the headers that came.
std::pair<int, Headers> attempt(const std::string& address, const fs::path& partial) {
  const fs::path headers = fs::path(partial).concat(".headers");
  std::error_code ignored;
  fs::remove(headers, ignored);
  // What begins with https stays there.
  const std::string protocols = address.starts_with("http://") ? "=http,https" : "=https";
  std::vector<std::string> command{"curl",
                                   "--fail",
                                   "--location",
                                   "--globoff",
                                   "--max-redirs",
                                   "10",
                                   "--proto",
                                   protocols,
                                   "--proto-redir",
                                   protocols,
                                   "--connect-timeout",
                                   "30",
                                   "--speed-limit",
                                   "1",
                                   "--speed-time",
                                   "120",
                                   "--retry",
                                   "2",
                                   "--continue-at",
                                   "-",
                                   "--dump-header",
                                   headers.native(),
                                   "--output",
                                   partial.native()};
  if (::isatty(STDERR_FILENO) == 1)
    command.emplace_back("--progress-bar");
  else
    command.insert(command.end(), {"--silent", "--show-error"});
  command.insert(command.end(), {"--url", address});
  const int code = run_in_sight(command);
  Headers h = read_headers(headers);
  fs::remove(headers, ignored);
  return {code, std::move(h)};
}

}  // namespace

std::string sha256_of(const fs::path& path) {
  const std::string command[] = {"sha256sum", "--zero", "--", path.native()};
  const ProcessResult result = run_process(command, 3600);
  check<FileError>(result.code == 0 && result.output.size() > 64, "cannot compute the SHA-256 of ",
                   path.native(), ": ", result.error.empty() ? result.output : result.error);
  return result.output.substr(0, 64);
}

std::optional<Download> download(const std::string& address, const fs::path& path) {
  const fs::path partial = fs::path(path).concat(".partial");
  std::error_code error;
  for (bool again = true;; again = false) {
    const bool resumed = fs::exists(partial, error) && fs::file_size(partial, error) > 0;
    const auto [code, headers] = attempt(address, partial);
    constexpr int kRefused = 22, kNoRanges = 33;  // of curl
    const bool no_range = code == kNoRanges || (code == kRefused && headers.status == 416);
    const std::string announced = headers.sha256();
    // 416: an earlier attempt may have brought all of it.
    const bool may_be_whole = no_range && headers.status == 416 && !announced.empty();
    if (code != 0 && !may_be_whole) {
      if (code == kRefused && !no_range) fs::remove(partial, error);
      if (code == kRefused && headers.status == 404) return std::nullopt;
      if (no_range && resumed && again) {  // from the start, then
        fs::remove(partial, error);
        continue;
      }
      check<FileError>(!(code == kRefused && (headers.status == 401 || headers.status == 403)), address,
                       ": the server gives it only to those who are logged in, or there is no such model");
      throw FileError(str_cat(address, ": cannot be fetched, curl ended with ", code,
                              headers.status >= 400 ? str_cat(", status ", headers.status) : std::string()));
    }
    Download done{sha256_of(partial), !announced.empty(), headers.commit};
    if (done.checked && done.sha256 != announced) {
      fs::remove(partial, error);
      if (resumed && again) continue;  // the file may have been replaced between two attempts
      throw FileError(str_cat(address, ": what came has the SHA-256 ", done.sha256, ", the server announced ",
                              announced, "; it was removed, try again"));
    }
    const int problem = io::detail::sync(partial);
    check<FileError>(problem == 0, "cannot write ", partial.native(), ": ", io::detail::reason(problem));
    fs::rename(partial, path, error);
    check<FileError>(!error, "cannot write ", path.native(), ": ", error.message());
    return done;
  }
}

}  // namespace minivit::cli
