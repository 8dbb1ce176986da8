// A look at many image files before they are needed: which of them cannot be images, and how large the others
// are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "minivit/core/fields.hpp"
#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// What is wrong with a file.
enum class FileProblem {
  none,
  missing,  ///< a link to nothing
  empty,    ///< no bytes
  unknown,  ///< the first bytes are of no format that is read
  damaged,  ///< it cannot be decoded: the header is wrong, the end is missing, it is larger than is accepted
};

/// One file as its first and its last bytes describe it.
struct ScannedFile {
  FileProblem problem = FileProblem::none;
  std::string message;  ///< names the file and says what is wrong; empty if nothing is
  ImageSize size;       ///< of the upright image; 0 x 0 if that is not known
  int orientation = 1;  ///< as Decoded::orientation
};

/// Looks at the header of an image file, and at its end: a file that does not end as its format does is
/// decoded, since it may have been cut off. Throws AccessError if the system does not read the file, which
/// says nothing about the image. max_pixels: as ImageFolderOptions has it.
[[nodiscard]] ScannedFile scan_image(const std::filesystem::path& path,
                                     std::int64_t max_pixels = kDefaultMaxPixels);

/// Looks at all files, with so many threads, and calls `on_progress(done)` from this thread now and then.
/// Throws as `scan_image`, for the first of the files in their order as far as it went, and what
/// `on_progress` throws.
[[nodiscard]] std::vector<ScannedFile> scan_images(std::span<const std::filesystem::path> paths, int threads,
                                                   const std::function<void(std::size_t)>& on_progress = {},
                                                   std::int64_t max_pixels = kDefaultMaxPixels);

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {

/// What people read of a FileProblem.
template <>
inline constexpr auto kEnumNames<image::FileProblem> = std::array<EnumName<image::FileProblem>, 5>{
    {{image::FileProblem::none, "fine"},
     {image::FileProblem::missing, "links to nothing"},
     {image::FileProblem::empty, "empty"},
     {image::FileProblem::unknown, "no image of a known format"},
     {image::FileProblem::damaged, "damaged, cut off or too large"}}};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/thread.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/image_end.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Throws FileError if the file cannot be an image; returns what its header says.
inline ImageInfo scan_file(const io::InputFile& file, ScannedFile& scanned, std::int64_t max_pixels) {
  constexpr std::size_t kBeginning = std::size_t{256} << 10;  // the size stands in it, almost always
  const std::string& name = file.path().native();
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kMaxImageFile));
  scanned.problem = size > 0 ? FileProblem::damaged : FileProblem::empty;
  check<FileError>(size > 0, name, ": the file is empty, expected an image");
  check<FileError>(size == file.size(), name, ": ", file.size(), " bytes, at most ", kMaxImageFile,
                   " are accepted for an image");
  std::string bytes(std::min(size, kBeginning), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  if (!find_image_format(as_bytes(bytes))) scanned.problem = FileProblem::unknown;
  const DecodeOptions options{.choose_if_too_large = [](int, int) { return 8; },  // as ImageFolder reads them
                              .max_pixels = max_pixels};
  const bool whole = has_its_end(file, format_of(as_bytes(bytes), name, {}));
  if (whole) try {
      return image_info(as_bytes(bytes), name, options);
    } catch (const FileError&) {
      if (bytes.size() == size) throw;
    }
  const std::size_t begun = bytes.size();
  bytes.resize(size);
  file.read_at(begun, bytes.data() + begun, size - begun);
  const ImageInfo info = image_info(as_bytes(bytes), name, options);
  if (!whole) static_cast<void>(decode_image(as_bytes(bytes), name, options));
  return info;
}

}  // namespace detail

MINIVIT_INLINE ScannedFile scan_image(const std::filesystem::path& path, std::int64_t max_pixels) {
  ScannedFile scanned;
  try {
    scanned.problem = FileProblem::missing;
    const io::InputFile file(path);
    const ImageInfo info = detail::scan_file(file, scanned, max_pixels);
    scanned.size = {info.width, info.height};
    scanned.orientation = info.orientation;
    scanned.problem = FileProblem::none;
  } catch (const AccessError&) { throw; } catch (const FileError& error) {
    std::error_code ignored;
    if (scanned.problem == FileProblem::missing && !std::filesystem::is_symlink(path, ignored))
      scanned.problem = FileProblem::damaged;  // no regular file
    scanned.message = error.what();
  } catch (const std::bad_alloc&) {
    throw Error(str_cat(path.native(), ": there is no memory left to decode it"));
  }
  return scanned;
}

MINIVIT_INLINE std::vector<ScannedFile> scan_images(std::span<const std::filesystem::path> paths, int threads,
                                                    const std::function<void(std::size_t)>& on_progress,
                                                    std::int64_t max_pixels) {
  std::vector<ScannedFile> files(paths.size());
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t at_work = 0, failed_at = std::numeric_limits<std::size_t>::max();
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < paths.size(); ++done) try {
        files[i] = scan_image(paths[i], max_pixels);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed_at) failed_at = i, failure = std::current_exception();
        next = paths.size();
      }
    const std::lock_guard lock(mutex);
    --at_work;
    ended.notify_all();
  };
  {
    std::vector<std::jthread> workers;
    std::unique_lock lock(mutex);
    for (int t = 0; t < threads; ++t, ++at_work) try {
        workers.push_back(start_thread(work));
      } catch (const Error&) {
        break;  // fewer will do
      }
    if (workers.empty()) {
      ++at_work;
      lock.unlock();
      work();
      lock.lock();
    }
    try {
      while (!ended.wait_for(lock, std::chrono::milliseconds(100), [&] { return at_work == 0; }))
        if (on_progress) on_progress(done);
    } catch (...) {
      next = paths.size();
      lock.unlock();  // the workers end, and are waited for
      throw;
    }
  }
  if (failure) std::rethrow_exception(failure);
  return files;
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
