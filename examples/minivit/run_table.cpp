// The table of runs, and the difference of two.
#include "run_table.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace {

/// Equal as texts, or as numbers: 1e-3 is 0.001.
bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto x = to_number<double>(a), y = to_number<double>(b);
  return x && y && *x == *y;
}

io::Json json_of(const std::string& text) { return text.empty() ? io::Json() : io::Json(printable(text)); }

template <class T>
io::Json json_of(const std::optional<T>& value) {
  return value ? io::Json(*value) : io::Json();
}

/// Settings that say nothing about what was trained.
bool beside_the_point(std::string_view name) {
  return name.starts_with("output.") || name.starts_with("log.");
}

}  // namespace

std::string text_of(const std::optional<double>& value, const char* format) {
  char text[400];
  return value ? std::string(text, static_cast<std::size_t>(std::snprintf(text, sizeof text, format, *value)))
               : "";
}

std::string epochs_text(const RunInfo& run) {
  if (!run.epochs_done) return run.epochs ? str_cat("-/", *run.epochs) : "";
  return run.epochs ? str_cat(*run.epochs_done, '/', *run.epochs) : str_cat(*run.epochs_done);
}

std::string run_label(const RunInfo& run) {
  const auto place = RunPlace::of(run.path);
  std::filesystem::path p = run.path.lexically_normal();
  if (!p.has_filename()) p = p.parent_path();
  if (place.date.empty()) return p.filename().string();
  const std::string copy = place.copy > 1 ? str_cat('_', place.copy) : std::string();
  if (place.job < 0) return place.date + copy;
  std::string time = place.date.substr(11);
  std::replace(time.begin(), time.end(), ':', '-');
  return str_cat(std::string_view(place.date).substr(0, 10), '/', time, copy, '/', place.job);
}

std::vector<std::string> differing_settings(std::span<const RunInfo> runs) {
  std::vector<std::string> names;
  std::unordered_map<std::string_view, std::pair<const std::string*, std::size_t>> first;  // value, count
  std::unordered_set<std::string_view> differing;
  std::size_t counted = 0;
  for (const RunInfo& run : runs) {
    counted += !run.settings.empty();
    for (const auto& [name, value] : run.settings) {
      const auto [at, fresh] = first.try_emplace(name, &value, 0);
      if (fresh) names.push_back(name);
      ++at->second.second;
      if (!same_value(*at->second.first, value)) differing.insert(at->first);
    }
  }
  std::erase_if(names, [&](const std::string& name) {
    return beside_the_point(name) || (first.at(name).second == counted && !differing.contains(name));
  });
  return names;
}

std::string settings_line(const RunInfo& run, std::span<const std::string> names) {
  const auto last = [](std::string_view name) { return name.substr(name.rfind('.') + 1); };
  std::string out;
  for (const std::string& name : names) {
    const std::string* value = run.setting(name);
    if (!value) continue;
    const auto same =
        std::count_if(names.begin(), names.end(), [&](const auto& n) { return last(n) == last(name); });
    out += str_cat(out.empty() ? "" : " ", same == 1 ? last(name) : std::string_view(name), '=', *value);
  }
  return out;
}

std::string run_table(std::span<const RunInfo> runs, std::size_t width) {
  const std::vector<std::string> names = differing_settings(runs);
  TextTable table({"#", "run", "status", "epochs", "val acc", "settings that differ"}, {0, 3, 4});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunInfo& run = runs[i];
    const bool failed = run.settings.empty() && !run.problem.empty();
    table.row({str_cat(run.number > 0 ? run.number : static_cast<int>(i) + 1), run_label(run), run.status,
               epochs_text(run), text_of(run.best_val_acc),
               failed ? run.problem : settings_line(run, names)});
  }
  return table.str(width);
}

io::Json run_json(const RunInfo& run) {
  io::Json settings = io::Json::object(), overrides = io::Json::array();
  for (const auto& [name, value] : run.settings) settings[printable(name)] = printable(value);
  for (const std::string& text : run.overrides) overrides.push_back(printable(text));
  return io::Json::object({{"number", run.number},
                           {"path", printable(run.path.string())},
                           {"date", json_of(run.date)},
                           {"status", json_of(run.status)},
                           {"problem", json_of(run.problem)},
                           {"epochs_done", json_of(run.epochs_done)},
                           {"epochs", json_of(run.epochs)},
                           {"best_val_acc", json_of(run.best_val_acc)},
                           {"best_epoch", json_of(run.best_epoch)},
                           {"best_val_loss", json_of(run.best_val_loss)},
                           {"seconds", json_of(run.seconds)},
                           {"images_per_s", json_of(run.images_per_s)},
                           {"peak_mb", json_of(run.peak_mb)},
                           {"parameters", json_of(run.parameters)},
                           {"started", json_of(run.started)},
                           {"ended", json_of(run.ended)},
                           {"git", json_of(run.git)},
                           {"machine", json_of(run.machine)},
                           {"error", json_of(run.error)},
                           {"has_model", run.has_model},
                           {"overrides", std::move(overrides)},
                           {"settings", std::move(settings)}});
}

std::string RunDiff::text() const {
  std::string out = str_cat("A: ", printable(a.string()), "\nB: ", printable(b.string()), "\n");
  const auto part = [&](const char* title, const std::vector<Line>& lines) {
    if (lines.empty()) {
      out += str_cat("\n", title, ": no difference\n");
      return;
    }
    TextTable table({title, "A", "B"});
    for (const Line& line : lines) table.row({line.name, shown(line.a), shown(line.b)});
    out += str_cat('\n', table.str());
  };
  part("settings", settings);
  part("results", results);
  return out;
}

io::Json RunDiff::json() const {
  const auto part = [](const std::vector<Line>& lines) {
    io::Json object = io::Json::object();
    for (const Line& line : lines) object[printable(line.name)] = io::Json::array({line.a, line.b});
    return object;
  };
  return io::Json::object({{"a", printable(a.string())},
                           {"b", printable(b.string())},
                           {"settings", part(settings)},
                           {"results", part(results)}});
}

std::string RunDiff::shown(const io::Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : io::json_text(value);
}

RunDiff diff_runs(const RunInfo& a, const RunInfo& b) {
  RunDiff diff{a.path, b.path, {}, {}};
  std::vector<std::string_view> names;
  for (const auto& [name, value] : a.settings) names.push_back(name);
  for (const auto& [name, value] : b.settings)
    if (!a.setting(name)) names.push_back(name);
  for (const std::string_view name : names) {
    const std::string *x = a.setting(name), *y = b.setting(name);
    if (beside_the_point(name) || (x && y && same_value(*x, *y))) continue;
    diff.settings.push_back({std::string(name), x ? io::Json(printable(*x)) : io::Json(),
                             y ? io::Json(printable(*y)) : io::Json()});
  }
  const io::Json x = run_json(a), y = run_json(b);
  constexpr std::string_view kNoResults[] = {"number", "path", "overrides", "settings"};
  for (const auto& [key, value] : x.items())
    if (value != y.at(key) && std::ranges::find(kNoResults, key) == std::end(kNoResults))
      diff.results.push_back({key, value, y.at(key)});
  return diff;
}

}  // namespace minivit::cli
