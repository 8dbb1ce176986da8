// What became of a run: result.json, for people and for the table of runs.
#pragma once

#include <filesystem>
#include <string>

#include "minivit/io/json.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How a run stands. Written at its start and after every epoch.
struct RunResult {
  /// running, finished, interrupted, time limit, early stop, halved, failed, not finite
  std::string status = "running";
  std::int64_t epochs_done = 0, epochs = 0;
  double best_val_acc = -1, best_val_loss = 0;  ///< -1: no epoch yet
  std::int64_t best_epoch = 0;                  ///< from 1
  double seconds = 0, images_per_second = 0, peak_mb = 0;
  std::int64_t parameters = 0;
  std::string started, ended;  ///< local time
  std::string git, machine;
  std::string error;  ///< if it failed
};

/// Writes `run`/result.json, atomically. Throws FileError.
inline void write_result(const std::filesystem::path& run, const RunResult& r) {
  io::Json json =
      io::Json::object({{"status", r.status}, {"epochs_done", r.epochs_done}, {"epochs", r.epochs}});
  if (r.best_val_acc >= 0) {
    json["best_val_acc"] = r.best_val_acc;
    json["best_val_loss"] = r.best_val_loss;
    json["best_epoch"] = r.best_epoch;
  }
  json["seconds"] = r.seconds;
  json["images_per_s"] = r.images_per_second;
  json["peak_mb"] = r.peak_mb;
  json["parameters"] = r.parameters;
  json["started"] = r.started;
  if (!r.ended.empty()) json["ended"] = r.ended;
  if (!r.git.empty()) json["git"] = r.git;
  json["machine"] = r.machine;
  if (!r.error.empty()) json["error"] = r.error;
  io::write_json_file(run / "result.json", json);
}

}  // namespace minivit::inline MINIVIT_ABI
