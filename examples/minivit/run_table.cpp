// The table of runs, and the difference of two.
#include "run_table.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "escaped.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"
#include "progress.hpp"
#include "run_data.hpp"
#include "text_table.hpp"
#include "train_config.hpp"

namespace minivit::cli {

namespace {

io::Json json_of(const std::string& text) {
  return text.empty() ? io::Json() : io::Json(escaped_bytes(text));
}

template <class T>
io::Json json_of(const std::optional<T>& value) {
  return value ? io::Json(*value) : io::Json();
}

/// Settings that say nothing about what was trained.
bool beside_the_point(std::string_view name) {
  return name.starts_with("output.") || name.starts_with("log.");
}

}  // namespace

bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto x = to_number<double>(a), y = to_number<double>(b);
  return x && y && *x == *y;
}

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

std::vector<std::string> command_lines(std::span<const RunInfo> runs) {
  const auto name_of = [](std::string_view text) {
    const std::size_t begin = text.find_first_not_of("+~");
    return begin == std::string_view::npos ? text : text.substr(begin, text.find('=') - begin);
  };
  const auto last = [](std::string_view name) { return name.substr(name.rfind('.') + 1); };
  const auto shown = [](std::string_view name) {
    return !beside_the_point(name) && name != "data.train" && name != "data.val" &&
           name != "data.val_fraction";
  };
  std::unordered_map<std::string_view, std::unordered_set<std::string_view>> names;  // by their last parts
  for (const RunInfo& run : runs)
    for (const std::string& text : run.overrides) names[last(name_of(text))].insert(name_of(text));
  std::vector<std::string> lines;
  for (const RunInfo& run : runs) {
    std::string& line = lines.emplace_back(run.pretrained() ? "pretrain" : "");
    for (const std::string_view text : run.overrides) {
      const std::string_view name = name_of(text);
      if (!shown(name)) continue;
      const std::string_view said = names[last(name)].size() == 1 ? last(name) : name;
      line += str_cat(line.empty() ? "" : " ", text.starts_with('~') ? "~" : "", said,
                      text.find('=') == std::string_view::npos ? "" : text.substr(text.find('=')));
    }
  }
  return lines;
}

std::string count_text(std::int64_t count) {
  const auto n = static_cast<double>(count);
  return n < 1e4   ? str_cat(count)
         : n < 1e6 ? text_of(n / 1e3, "%.0f k")
         : n < 1e9 ? text_of(n / 1e6, n < 1e8 ? "%.1f M" : "%.0f M")
                   : text_of(n / 1e9, "%.1f G");
}

std::string run_table(std::span<const RunInfo> runs, std::size_t width) {
  TextTable table({"#", "run", "status", "epochs", "val acc", "duration", "parameters", "command line"},
                  {0, 3, 4, 5, 6});
  const std::vector<DataGroup> groups = by_data(runs);
  std::vector<RunInfo> in_order;
  for (const DataGroup& group : groups) in_order.insert(in_order.end(), group.runs.begin(), group.runs.end());
  const std::vector<std::string> lines = command_lines(in_order);
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    const RunInfo& run = in_order[i];
    const bool unread = run.settings.empty() && !run.problem.empty();
    table.row({str_cat(run.number > 0 ? run.number : static_cast<int>(i) + 1), run_label(run), run.status,
               epochs_text(run), text_of(run.best_val_acc), run.seconds ? clock_text(*run.seconds) : "",
               run.parameters ? count_text(*run.parameters) : "", unread ? run.problem : lines[i]});
  }
  // A line for the data above each group's.
  const std::string text = table.str(width);
  std::size_t at = text.find('\n') + 1;
  std::string out = text.substr(0, at);
  for (const DataGroup& group : groups) {
    TextTable heading({str_cat("data: ", group.data)});
    out += heading.str(width);
    for (std::size_t i = 0; i < group.runs.size(); ++i) {
      const std::size_t end = text.find('\n', at) + 1;
      out += text.substr(at, end - at);
      at = end;
    }
  }
  return out;
}

io::Json run_json(const RunInfo& run) {
  io::Json settings = io::Json::object(), overrides = io::Json::array();
  for (const auto& [name, value] : run.settings) settings[escaped_bytes(name)] = escaped_bytes(value);
  for (const std::string& text : run.overrides) overrides.push_back(escaped_bytes(text));
  return io::Json::object({{"number", run.number},
                           {"path", escaped_bytes(run.path.string())},
                           {"data", escaped_bytes(data_of(run))},
                           {"date", json_of(run.date)},
                           {"status", json_of(run.status)},
                           {"problem", json_of(run.problem)},
                           {"epochs_done", json_of(run.epochs_done)},
                           {"epochs", json_of(run.epochs)},
                           {"best_val_acc", json_of(run.best_val_acc)},
                           {"best_epoch", json_of(run.best_epoch)},
                           {"best_val_loss", json_of(run.best_val_loss)},
                           {"test_acc", json_of(run.test_acc)},
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
    for (const Line& line : lines) object[escaped_bytes(line.name)] = io::Json::array({line.a, line.b});
    return object;
  };
  return io::Json::object({{"a", escaped_bytes(a.string())},
                           {"b", escaped_bytes(b.string())},
                           {"settings", part(settings)},
                           {"results", part(results)}});
}

std::string RunDiff::shown(const io::Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : io::json_text(value);
}

RunDiff diff_runs(const RunInfo& a, const RunInfo& b) {
  RunDiff diff{a.path, b.path, {}, {}};
  // A setting that a training of an older version does not have has its default there.
  TrainConfig config;
  std::map<std::string, std::string, std::less<>> defaults;
  for (const auto& [name, text] : config.settings().values())
    defaults[name] = text.size() >= 2 && text.front() == '"' ? text.substr(1, text.size() - 2) : text;
  const auto value_of = [&](const RunInfo& run, std::string_view name) -> const std::string* {
    const std::string* value = run.setting(name);
    if (value || run.settings.empty() || run.setting("pretrain.mask")) return value;
    const auto usual = defaults.find(name);
    return usual == defaults.end() ? nullptr : &usual->second;
  };
  std::vector<std::string_view> names;
  for (const auto& [name, value] : a.settings) names.push_back(name);
  for (const auto& [name, value] : b.settings)
    if (!a.setting(name)) names.push_back(name);
  for (const std::string_view name : names) {
    const std::string *x = value_of(a, name), *y = value_of(b, name);
    if (beside_the_point(name) || (x && y && same_value(*x, *y))) continue;
    diff.settings.push_back({std::string(name), x ? io::Json(escaped_bytes(*x)) : io::Json(),
                             y ? io::Json(escaped_bytes(*y)) : io::Json()});
  }
  const io::Json x = run_json(a), y = run_json(b);
  // Of any two runs these differ.
  constexpr std::string_view kNoResults[] = {"number", "path",      "date",    "started",
                                             "ended",  "overrides", "settings"};
  for (const auto& [key, value] : x.items())
    if (value != y.at(key) && std::ranges::find(kNoResults, key) == std::end(kNoResults))
      diff.results.push_back({key, value, y.at(key)});
  return diff;
}

}  // namespace minivit::cli
