// result.json.
#include "run_result.hpp"

#include "minivit/io/json.hpp"

namespace minivit::cli {

void write_result(const std::filesystem::path& run, const RunResult& r) {
  Json json = Json::object({{"status", r.status}, {"epochs_done", r.epochs_done}, {"epochs", r.epochs}});
  if (r.best_val_acc >= 0) {
    json.set("best_val_acc", r.best_val_acc);
    json.set("best_val_loss", r.best_val_loss);
    json.set("best_epoch", r.best_epoch);
  }
  json.set("seconds", r.seconds);
  json.set("images_per_s", r.images_per_second);
  json.set("peak_mb", r.peak_mb);
  json.set("parameters", r.parameters);
  json.set("started", r.started);
  if (!r.ended.empty()) json.set("ended", r.ended);
  if (!r.git.empty()) json.set("git", r.git);
  json.set("machine", r.machine);
  if (!r.error.empty()) json.set("error", r.error);
  write_json_file(run / "result.json", json);
}

}  // namespace minivit::cli
