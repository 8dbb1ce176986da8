// Runs beside each other: a table, the settings that differ, the difference of two.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/io/json.hpp"
#include "run_info.hpp"
#include "text_table.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Equal as texts, or as numbers: 1e-3 is 0.001.
inline bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto x = to_number<double>(a), y = to_number<double>(b);
  return x && y && *x == *y;
}

inline std::string text_of(const std::optional<double>& value, const char* format = "%.4f") {
  char text[400];
  return value ? std::string(text, static_cast<std::size_t>(std::snprintf(text, sizeof text, format, *value)))
               : "";
}

inline io::Json json_of(const std::string& text) {
  return text.empty() ? io::Json() : io::Json(printable(text));
}
template <class T>
io::Json json_of(const std::optional<T>& value) {
  return value ? io::Json(*value) : io::Json();
}

inline std::string epochs_text(const RunInfo& run) {
  if (!run.epochs_done) return run.epochs ? str_cat("-/", *run.epochs) : "";
  return run.epochs ? str_cat(*run.epochs_done, '/', *run.epochs) : str_cat(*run.epochs_done);
}

}  // namespace detail

namespace detail {

/// Settings that say nothing about what was trained.
inline bool beside_the_point(std::string_view name) {
  return name.starts_with("output.") || name.starts_with("log.");
}

}  // namespace detail

/// How a table names a run: `2026-11-25 17:46:12`, a job of a sweep `2026-11-25/17-46-12/3`, a folder with
/// another name by that name.
inline std::string run_label(const RunInfo& run) {
  const auto place = detail::RunPlace::of(run.path);
  std::filesystem::path p = run.path.lexically_normal();
  if (!p.has_filename()) p = p.parent_path();
  if (place.date.empty()) return p.filename().string();
  const std::string copy = place.copy > 1 ? str_cat('_', place.copy) : std::string();
  if (place.job < 0) return place.date + copy;
  std::string time = place.date.substr(11);
  std::replace(time.begin(), time.end(), ':', '-');
  return str_cat(std::string_view(place.date).substr(0, 10), '/', time, copy, '/', place.job);
}

/// The names of settings that do not have the same value in all runs (numbers are compared as such; a setting
/// that a run does not have is a value of its own), in the order of the first that has them. Where a run's
/// folder goes and what is logged is not among them; runs whose settings cannot be read do not count.
inline std::vector<std::string> differing_settings(std::span<const RunInfo> runs) {
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
      if (!detail::same_value(*at->second.first, value)) differing.insert(at->first);
    }
  }
  std::erase_if(names, [&](const std::string& name) {
    return detail::beside_the_point(name) || (first.at(name).second == counted && !differing.contains(name));
  });
  return names;
}

/// The settings `names` of a run on one line, each by the last part of its name where that says enough:
/// `num_layers=4 lr=0.001`.
inline std::string settings_line(const RunInfo& run, std::span<const std::string> names) {
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

/// A line for each run, in their order: number, when, status, epochs, best validation accuracy, the settings
/// that differ. Lines are cut to `width` characters; 0: not.
inline std::string run_table(std::span<const RunInfo> runs, std::size_t width = 0) {
  const std::vector<std::string> names = differing_settings(runs);
  TextTable table({"#", "run", "status", "epochs", "val acc", "settings that differ"}, {0, 3, 4});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunInfo& run = runs[i];
    const bool failed = run.settings.empty() && !run.problem.empty();
    table.row({str_cat(run.number > 0 ? run.number : static_cast<int>(i) + 1), run_label(run), run.status,
               detail::epochs_text(run), detail::text_of(run.best_val_acc),
               failed ? run.problem : settings_line(run, names)});
  }
  return table.str(width);
}

/// All that is known of a run, as JSON; what is not known is null.
inline io::Json run_json(const RunInfo& run) {
  using detail::json_of;
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

/// What two runs do not have in common.
struct RunDiff {
  /// A setting or result; null: that run does not have it. Settings are texts, results what they are.
  struct Line {
    std::string name;
    io::Json a, b;
  };
  std::filesystem::path a, b;
  std::vector<Line> settings, results;

  /// A table for each of both.
  std::string text() const {
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

  /// {"a": folder, "b": folder, "settings": {name: [of a, of b]}, "results": {…}}
  io::Json json() const {
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

 private:
  static std::string shown(const io::Json& value) {
    if (value.is_null()) return "-";
    return value.is_string() ? value.get<std::string>() : io::json_text(value);
  }
};

/// The settings (but for output and log) and the results that differ between two runs.
inline RunDiff diff_runs(const RunInfo& a, const RunInfo& b) {
  RunDiff diff{a.path, b.path, {}, {}};
  std::vector<std::string_view> names;
  for (const auto& [name, value] : a.settings) names.push_back(name);
  for (const auto& [name, value] : b.settings)
    if (!a.setting(name)) names.push_back(name);
  for (const std::string_view name : names) {
    const std::string *x = a.setting(name), *y = b.setting(name);
    if (detail::beside_the_point(name) || (x && y && detail::same_value(*x, *y))) continue;
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

}  // namespace minivit::inline MINIVIT_ABI
