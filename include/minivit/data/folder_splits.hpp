// The parts of a data set in folders beside each other: train, val and test, each with a folder for each
// class.
#pragma once

#include <filesystem>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The folders of the splits; empty where there is none.
struct FolderSplits {
  std::filesystem::path train;  ///< train or training
  std::filesystem::path val;    ///< val, valid, validation or dev
  std::filesystem::path test;   ///< test or testing

  /// True if there is any.
  explicit operator bool() const { return !train.empty() || !val.empty() || !test.empty(); }
};

/// The splits in `folder`, by their names in upper or lower case; none if its folders are classes, as far as
/// can be told: splits hold folders themselves, and nothing is beside them unless the same classes are in
/// train and in one of the others. Throws FileError if `folder` cannot be read, if two folders are the same
/// split (val and valid), or if it holds several folders with names of splits and images without classes.
[[nodiscard]] FolderSplits find_splits(const std::filesystem::path& folder);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/data/image_files.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The place for a folder of this name; null if it is not that of a split.
inline std::filesystem::path* split_of(FolderSplits& splits, std::string name) {
  constexpr std::string_view kTrain[] = {"train", "training"}, kVal[] = {"val", "valid", "validation", "dev"},
                             kTest[] = {"test", "testing"};
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto is_one_of = [&](const auto& names) { return std::ranges::find(names, name) != std::end(names); };
  return is_one_of(kTrain)  ? &splits.train
         : is_one_of(kVal)  ? &splits.val
         : is_one_of(kTest) ? &splits.test
                            : nullptr;
}

/// True if a folder in `a` has the name of one in `b`.
inline bool share_a_class(const std::filesystem::path& a, const std::filesystem::path& b) {
  if (a.empty() || b.empty()) return false;
  const auto others = image::visible_folders(b);
  return std::ranges::any_of(image::visible_folders(a), [&](const auto& one) {
    return std::ranges::any_of(others, [&](const auto& other) { return other.filename() == one.filename(); });
  });
}

}  // namespace detail

MINIVIT_INLINE FolderSplits find_splits(const std::filesystem::path& folder) {
  FolderSplits splits;
  std::vector<std::filesystem::path> named, with_folders;
  bool others = false;
  for (const auto& sub_folder : image::visible_folders(folder)) {
    std::filesystem::path* const place = detail::split_of(splits, sub_folder.filename().native());
    if (!place) {
      others = true;
      continue;
    }
    check<FileError>(place->empty(), folder.native(), ": holds ", place->filename().native(), "/ and ",
                     sub_folder.filename().native(),
                     "/, which are names of the same split; give the right one alone");
    *place = sub_folder;
    named.push_back(sub_folder);
    if (!image::visible_folders(sub_folder).empty()) with_folders.push_back(sub_folder);
  }
  if (others) {
    const bool same_classes =
        detail::share_a_class(splits.train, splits.val) || detail::share_a_class(splits.train, splits.test);
    return same_classes ? splits : FolderSplits();
  }
  if (!with_folders.empty()) return splits;
  check<FileError>(named.size() < 2, folder.native(), ": holds ",
                   named.empty() ? "" : named[0].filename().native(), "/ and ",
                   named.size() < 2 ? "" : named[1].filename().native(),
                   "/, which are names of splits, but in them are no folders of classes; expected ",
                   named.empty() ? "" : named[0].filename().native(),
                   "/CLASS/IMAGE, or other names if these are the classes");
  return {};
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
