// The jobs of a sweep: all combinations of what it tries, or random ones. No files, nothing is run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sweep_text.hpp"

namespace minivit::cli {

/// One training of a sweep: its number, from 0 on, and its settings `name=value`.
struct Job {
  int number = 0;
  std::vector<std::string> overrides;
};

/// Without the + of a setting that is added: `+a` and `a` are the same name.
std::string_view plain_name(std::string_view name);

/// All combinations; the values of the last name change fastest. Throws ConfigError if a name appears twice,
/// a value is to be drawn, or there would be more than kMaxJobs.
std::vector<Job> grid(std::span<const Sweep> sweeps);

/// `trials` jobs with values drawn independently, uniformly from lists. No two are equal as long as there are
/// different ones; then all come once more. A job depends on the seed and the jobs before it alone, so that
/// more trials begin with the same. Throws ConfigError if a name appears twice or trials is not from 1 to
/// kMaxJobs.
std::vector<Job> random_jobs(std::span<const Sweep> sweeps, std::int64_t trials, std::uint64_t seed);

/// The line that announces a job: `#0 : model.num_layers=4 training.lr=0.001`.
std::string job_title(const Job& job);

}  // namespace minivit::cli
