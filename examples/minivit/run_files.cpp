// Result and history of a run, taken for a summary as far as they are as expected.
#include "run_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "minivit/core/number.hpp"

namespace minivit::cli {

void add_result(RunInfo& run, const io::Json& result, const std::string& name) {
  const io::JsonFields fields(result, name);
  const auto take = [&]<class T>(const char* key, std::optional<T>& into) {
    if (const io::Json* value = fields.find(key)) into = io::json_as<T>(*value);
  };
  const auto take_text = [&](const char* key, std::string& into) {
    if (const io::Json* value = fields.find(key)) into = io::json_as<std::string>(*value).value_or("");
  };
  take_text("status", run.status);
  take("epochs_done", run.epochs_done);
  take("epochs", run.epochs);
  take("best_val_acc", run.best_val_acc);
  take("best_epoch", run.best_epoch);
  take("best_val_loss", run.best_val_loss);
  take("test_acc", run.test_acc);
  take("seconds", run.seconds);
  take("images_per_s", run.images_per_s);
  take("peak_mb", run.peak_mb);
  take("parameters", run.parameters);
  take_text("started", run.started);
  take_text("ended", run.ended);
  take_text("git", run.git);
  take_text("machine", run.machine);
  take_text("error", run.error);
}

void add_history(RunInfo& run, std::string_view text) {
  std::vector<std::string_view> header, cells;
  const auto cell = [&](std::string_view name) -> std::optional<double> {
    const auto at = std::find(header.begin(), header.end(), name);
    if (at == header.end()) return std::nullopt;
    const auto value = to_number<double>(cells[static_cast<std::size_t>(at - header.begin())]);
    return value && std::isfinite(*value) ? value : std::nullopt;
  };
  for (std::string_view rest = text; rest.find('\n') != std::string_view::npos;) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    cells.clear();
    for (std::size_t comma; (comma = line.find(',')) != std::string_view::npos; line.remove_prefix(comma + 1))
      cells.push_back(line.substr(0, comma));
    cells.push_back(line);
    if (header.empty()) {
      header = cells;
      continue;
    }
    if (cells.size() != header.size()) continue;
    const auto epoch = cell("epoch"), accuracy = cell("val_acc"), loss = cell("val_loss");
    if (!epoch || *epoch < 0 || *epoch > 1e15) continue;
    run.epochs_done = static_cast<std::int64_t>(*epoch);
    if (const auto seconds = cell("seconds")) run.seconds = run.seconds.value_or(0) + *seconds;
    if (accuracy && (!run.best_val_acc || *accuracy > *run.best_val_acc)) {
      run.best_val_acc = accuracy;
      run.best_val_loss = cell("val_loss");
      run.best_epoch = run.epochs_done;
    }
    if (std::ranges::find(header, "val_acc") == header.end() && loss &&  // without labels
        (!run.best_val_loss || *loss < *run.best_val_loss)) {
      run.best_val_loss = loss;
      run.best_epoch = run.epochs_done;
    }
  }
}

}  // namespace minivit::cli
