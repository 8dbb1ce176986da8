// Training, validation and test images: opened, split, looked at.
#include "training_images.hpp"

#include <numeric>
#include <span>
#include <system_error>
#include <utility>

#include "images.hpp"
#include "minivit/core/utf8.hpp"
#include "minivit/data/folder_splits.hpp"
#include "minivit/data/image_files.hpp"
#include "synonyms.hpp"
#include "training_state.hpp"

namespace minivit::cli {

namespace {

std::vector<std::size_t> all_of(const ImageFolder& folder) {
  std::vector<std::size_t> all(folder.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

/// Those for training and validation, not looked at yet.
TrainingImages open_train_and_val(const TrainConfig& c) {
  const auto cache = static_cast<std::size_t>(c.data.cache_mb) << 20;
  ImageFolder train(c.data.train, c.train_transform(),
                    {.cache_bytes = cache,
                     .fast_decode = c.data.fast_decode,
                     .max_pixels = c.data.max_pixels,
                     .unlabeled = c.pretrains()});
  for (const std::string& name : train.classes())
    check<FileError>(detail::is_utf8(name), (train.root() / name).native(),
                     ": the name of this class is not UTF-8, as the files of a model are; rename the folder");
  if (!c.data.val.empty()) {
    ImageFolder val(c.data.val, c.preprocess(),
                    {.classes = train.classes(),
                     .cache_bytes = cache / 4,
                     .max_pixels = c.data.max_pixels,
                     .unlabeled = c.pretrains()});
    std::vector<std::size_t> all_train = all_of(train), all_val = all_of(val);
    return {std::move(train), std::move(val), std::move(all_train), std::move(all_val)};
  }
  const auto& t = c.training;
  auto [train_part, val_part] = t.folds > 0
                                    ? stratified_fold(train.labels(), static_cast<std::size_t>(t.folds),
                                                      static_cast<std::size_t>(t.fold), t.seed)
                                    : stratified_split(train.labels(), c.data.val_fraction, t.seed);
  check<ConfigError>(!val_part.empty(), c.data.train,
                     ": too few images to set some aside for validation; give data.val");
  ImageFolder val(c.data.train, c.preprocess(),
                  {.cache_bytes = cache / 4, .max_pixels = c.data.max_pixels, .unlabeled = c.pretrains()});
  return {std::move(train), std::move(val), std::move(train_part), std::move(val_part)};
}

/// The folders, not looked at yet.
TrainingImages open_folders(const TrainConfig& c) {
  TrainingImages images = open_train_and_val(c);
  if (!c.data.test.empty())
    images.test.emplace(c.data.test, c.preprocess(),
                        ImageFolderOptions{.classes = images.classes(), .max_pixels = c.data.max_pixels});
  return images;
}

/// Counts the images of a part by class and returns the places of those that cannot be read.
std::vector<std::size_t> count(DataPart& part, const ImageFolder& folder,
                               std::span<const std::size_t> samples,
                               std::span<const image::ScannedFile> files) {
  part.folder = folder.root();
  part.by_class.assign(folder.classes().size(), 0);
  std::vector<std::size_t> bad;
  for (std::size_t place = 0; place < samples.size(); ++place) {
    const std::size_t sample = samples[place];
    if (files[sample].problem == image::FileProblem::none)
      ++part.by_class[static_cast<std::size_t>(folder.labels()[sample])];
    else
      bad.push_back(place);
  }
  part.unreadable = bad.size();
  return bad;
}

}  // namespace

TrainingImages TrainingImages::prepared_for(const TrainConfig& c) const {
  TrainingImages images = open_folders(c);
  check<FileError>(images.digest() == digest(), c.data.train,
                   ": images were added or removed since the program has begun; start it again");
  images.train_bad = train_bad, images.val_bad = val_bad, images.test_bad = test_bad;
  images.report = report;
  return images;
}

TrainingImages TrainingImages::open(const TrainConfig& c) {
  TrainingImages images = open_folders(c);
  const char* const program = command_of(c.task);
  DataScan scan(program);
  DataReport& report = scan.report;
  report.classes = images.classes();
  const auto in_train = scan.scan(images.train, c.data.bad_fraction);
  images.train_bad = count(report.train, images.train, images.train_part, in_train);
  images.val_bad = count(report.val, images.val, images.val_part,
                         c.data.val.empty() ? in_train : scan.scan(images.val, c.data.bad_fraction));
  if (images.test)
    images.test_bad =
        count(report.test, *images.test, all_of(*images.test), scan.scan(*images.test, c.data.bad_fraction));
  scan.finish();
  images.report = std::move(report);
  for (const std::string& line : images.report.remarks()) say_line(program, line);

  const auto refuse = [](const std::filesystem::path& folder, std::string_view which) {
    throw FileError(str_cat(folder.native(), ": none of the images ", which, " can be read"));
  };
  for (std::size_t k = 0; k < images.report.train.by_class.size(); ++k)
    if (images.report.train.by_class[k] == 0)
      refuse(images.train.root() / images.classes()[k], "for training");
  if (images.report.val.images() == 0) refuse(images.val.root(), "for validation");
  if (images.test && images.report.test.images() == 0) refuse(images.test->root(), "for the test");
  return images;
}

std::vector<int> TrainingImages::train_labels() const {
  std::vector<int> labels;
  for (const std::size_t i : train_part) labels.push_back(train.labels()[i]);
  return labels;
}

std::string TrainingImages::digest() const {
  const auto below = [](const ImageFolder& folder, std::size_t i) {
    return folder.paths()[i].lexically_relative(folder.root()).string();
  };
  return data_digest(train_part.size() + val_part.size(), [&](std::size_t i) {
    return i < train_part.size() ? below(train, train_part[i]) : below(val, val_part[i - train_part.size()]);
  });
}

namespace {

/// What to ask if `folder` holds a folder with the name of a split and with folders in it, beside others:
/// they are taken for classes. Empty: nothing.
std::string perhaps_a_split(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) return {};
  const auto sub_folders = image::visible_folders(folder);
  for (const auto& sub_folder : sub_folders) {
    const std::string name = plain_spelling(sub_folder.filename().native());
    if ((name != "train" && name != "training") || sub_folders.size() < 2 ||
        image::visible_folders(sub_folder).empty())
      continue;
    return str_cat("note: ", folder.native(), " holds ", sub_folder.filename().native(),
                   "/ with folders in it, and others beside it: all are taken for classes. If it is a split: "
                   "data.train=",
                   sub_folder.native());
  }
  return {};
}

/// What to say if two settings name one folder; empty: they do not.
std::string same_folder(const std::string& a, const char* name_a, const std::string& b, const char* name_b) {
  std::error_code error;
  if (a.empty() || b.empty() || !std::filesystem::equivalent(a, b, error) || error) return {};
  return str_cat("note: ", name_a, " and ", name_b, " are the same folder, ", a,
                 ": the accuracy there says nothing of other images");
}

}  // namespace

std::vector<std::string> choose_splits(TrainConfig& c) {
  const auto splits_in = [](const std::string& folder) {
    std::error_code error;
    return std::filesystem::is_directory(folder, error) ? find_splits(folder) : FolderSplits();
  };
  std::vector<std::string> lines;
  std::string line;
  const auto take = [&](std::string& setting, const std::filesystem::path& split, const char* what) {
    if (split.empty()) return;
    setting = split.native();
    line += str_cat(line.empty() ? "" : ", ", setting, what);
  };
  auto& data = c.data;
  const bool has_val = !data.val.empty(), has_test = !data.test.empty();
  if (const FolderSplits splits = splits_in(data.train)) {
    check<FileError>(!splits.train.empty(), data.train, ": holds ",
                     (splits.val.empty() ? splits.test : splits.val).filename().native(),
                     "/, but no train/ beside it");
    const std::string whole = data.train;
    take(data.train, splits.train, " for training");
    if (!has_val) take(data.val, splits.val, " for validation");
    if (!has_test && !c.pretrains()) take(data.test, splits.test, " for the test");
    line = str_cat(whole, " holds splits: ", line);
  } else if (std::string note = c.pretrains() ? "" : perhaps_a_split(data.train); !note.empty()) {
    lines.push_back(std::move(note));
  }
  if (has_val) take(data.val, splits_in(data.val).val, " for validation");
  if (has_test) take(data.test, splits_in(data.test).test, " for the test");
  if (!line.empty()) lines.push_back(std::move(line));
  for (std::string note : {same_folder(data.train, "data.train", data.val, "data.val"),
                           same_folder(data.train, "data.train", data.test, "data.test"),
                           same_folder(data.val, "data.val", data.test, "data.test")})
    if (!note.empty()) lines.push_back(std::move(note));
  return lines;
}

}  // namespace minivit::cli
