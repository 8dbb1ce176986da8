// Many trainings: every combination of values, or random ones, one after the other.
//
// A sweep is a folder with sweep.yaml and a run folder for each job, all made before the first job begins, so
// that nothing edited meanwhile leaks into it and a sweep that is stopped goes on from what is on disk. Each
// job is a process of its own: one that fails, or is killed, leaves the others alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "halving.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// How a sweep is made from the settings.
struct SweepOptions {
  bool multirun = false;
  std::string sampler = "grid";
  std::int64_t trials = 10;
  std::uint64_t seed = 0;
  std::string halving;  ///< fractions with commas
};

bool is_sweep(const std::filesystem::path& folder);

/// Makes a job's configuration of its overrides.
using ResolveJob = std::function<TrainConfig(std::span<const std::string>)>;

/// Begins a sweep. All jobs are resolved before the first, so that a wrong one is found at once.
int run_sweep(const SweepOptions& options, std::span<const std::string> overrides, const ResolveJob& resolve);

/// Prints the configurations of all jobs, as one YAML document for each; runs nothing, writes nothing.
int print_sweep(const SweepOptions& options, std::span<const std::string> overrides,
                const ResolveJob& resolve);

/// Goes on with a sweep; what is done is left out. A job that another process still trains is waited for.
int resume_sweep(const std::filesystem::path& folder, std::span<const std::string> overrides);

}  // namespace minivit::cli
