// Classes of a run, compared with those that it began with.
#include "run_classes.hpp"

#include <algorithm>
#include <set>

#include "minivit/core/check.hpp"
#include "minivit/io/json.hpp"
#include "minivit/io/name_list.hpp"

namespace minivit::cli {

void write_class_mapping(const std::filesystem::path& run, std::span<const std::string> classes) {
  io::Json mapping = io::Json::object();
  for (std::size_t i = 0; i < classes.size(); ++i) mapping[classes[i]] = i;
  io::write_json_file(run / "class_mapping.json", mapping);
}

void check_classes(const std::filesystem::path& run, std::span<const std::string> classes) {
  const std::filesystem::path file = run / "class_mapping.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return;
  const io::Json mapping = io::read_json_file(file);
  check<FileError>(mapping.is_object(), file.string(), ": expected an object with a number for each class");
  detail::NameList gone("; no longer there: "), fresh("; new: ");
  std::set<std::string, std::less<>> before;
  for (const auto& [name, number] : mapping.items()) {
    before.insert(name);
    if (std::ranges::find(classes, name) == classes.end()) gone.add(name);
  }
  for (const std::string& name : classes)
    if (!before.contains(name)) fresh.add(name);
  const std::string changed = gone.text() + fresh.text();
  check<FileError>(changed.empty(), run.string(), ": was trained on ", before.size(),
                   " classes, now there are ", classes.size(), changed,
                   "; a run goes on with the classes it began with");
}

}  // namespace minivit::cli
