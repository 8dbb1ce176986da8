// Files fetched over the network by curl, resumed and checked.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace minivit::cli {

/// A file that has come.
struct Download {
  std::string sha256;    ///< of what is on the disk
  bool checked = false;  ///< the server announced this hash
  std::string commit;    ///< of the repository, if the server says so
};

/// Fetches `address` into `path`, by way of `path`.partial: what an earlier attempt left there is gone on
/// with. The SHA-256 is that of the header X-Linked-ETag, else of ETag, if one of them is a hash of 64
/// hexadecimal digits: so the Hugging Face hub announces those of large files. Nothing if the server has no
/// such file. Throws FileError if it cannot be fetched or is not what was announced; then a partial file that
/// may be gone on with stays. Runs `curl` and `sha256sum`, without a shell.
std::optional<Download> download(const std::string& address, const std::filesystem::path& path);

/// SHA-256 of a file, 64 hexadecimal digits. Throws FileError.
std::string sha256_of(const std::filesystem::path& path);

}  // namespace minivit::cli
