// result.json.
#include "run_result.hpp"

#include "minivit/io/json.hpp"

namespace minivit::cli {

void write_result(const std::filesystem::path& run, const RunResult& r) {
  io::Json json =
      io::Json::object({{"status", r.status}, {"epochs_done", r.epochs_done}, {"epochs", r.epochs}});
  if (r.best_epoch > 0) {
    if (r.best_val_acc >= 0) json["best_val_acc"] = r.best_val_acc;
    json["best_val_loss"] = r.best_val_loss;
    json["best_epoch"] = r.best_epoch;
  }
  if (r.test_acc >= 0) json["test_acc"] = r.test_acc, json["test_loss"] = r.test_loss;
  json["seconds"] = r.seconds;
  json["images_per_s"] = r.images_per_second;
  json["peak_mb"] = r.peak_mb;
  json["parameters"] = r.parameters;
  if (r.flop > 0) json["pflop"] = 1e-15 * r.flop;
  json["started"] = r.started;
  if (!r.ended.empty()) json["ended"] = r.ended;
  if (!r.git.empty()) json["git"] = r.git;
  json["machine"] = r.machine;
  if (!r.error.empty()) json["error"] = r.error;
  io::write_json_file(run / "result.json", json);
}

}  // namespace minivit::cli
