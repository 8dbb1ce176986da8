// Groups of runs.
#include "run_data.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace {

/// A folder's name without what does not matter: photos/ is photos.
std::string folder_text(const std::string& name) {
  std::filesystem::path path = std::filesystem::path(name).lexically_normal();
  if (!path.has_filename() && path.has_parent_path()) path = path.parent_path();
  return path.string();
}

}  // namespace

std::string data_of(const RunInfo& run) {
  const std::string* train = run.setting("data.train");
  if (!train || train->empty()) return "not known";
  const std::string* val = run.setting("data.val");
  if (val && !val->empty()) return str_cat(folder_text(*train), ", validation ", folder_text(*val));
  const std::string* fraction = run.setting("data.val_fraction");
  return str_cat(folder_text(*train),
                 fraction ? str_cat(", ", *fraction, " of it for validation") : std::string());
}

std::vector<DataGroup> by_data(std::span<const RunInfo> runs) {
  std::vector<DataGroup> groups;
  for (const RunInfo& run : runs) {
    std::string data = data_of(run);
    auto group = std::ranges::find(groups, data, &DataGroup::data);
    if (group == groups.end()) group = groups.insert(groups.end(), DataGroup{std::move(data), {}});
    group->runs.push_back(run);
  }
  std::ranges::stable_sort(groups, {}, [](const DataGroup& group) {
    return std::ranges::max(group.runs, {}, &RunInfo::number).number;
  });
  return groups;
}

}  // namespace minivit::cli
