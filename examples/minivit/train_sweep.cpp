// The jobs of a sweep, run one after the other.
#include "train_sweep.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "images.hpp"
#include "job_process.hpp"
#include "leaderboard.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/io/json.hpp"
#include "printable.hpp"
#include "recipe_choice.hpp"
#include "run_folder.hpp"
#include "run_lock.hpp"
#include "stop_signal.hpp"
#include "sweep.hpp"
#include "terminal.hpp"
#include "train_run.hpp"
#include "training_images.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

/// What sweep.yaml says.
struct Plan {
  std::vector<double> halving;
  std::vector<Job> jobs;
};

/// "0.25,0.5" as numbers. Throws ConfigError.
std::vector<double> fractions_of(std::string_view text) {
  std::vector<double> fractions;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    double fraction = 0;
    check<ConfigError>(detail::parse_number(rest.substr(0, comma), fraction), "--halving is \"", text,
                       "\", expected fractions as 0.25,0.5");
    fractions.push_back(fraction);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return fractions;
}

Plan read_plan(const std::filesystem::path& sweep) {
  Plan plan;
  std::int64_t count = 0;
  for (const Assignment& a : read_yaml(sweep / "sweep.yaml")) {
    if (a.name == "sweep.jobs")
      check<FileError>(
          detail::parse_number(a.value, count) && count > 0 && count <= static_cast<std::int64_t>(kMaxJobs),
          a.origin, ": ", a.value, " jobs, expected 1 to ", kMaxJobs);
    if (a.name == "sweep.halving") plan.halving = fractions_of(a.value);
  }
  check<FileError>(count > 0, (sweep / "sweep.yaml").string(), ": does not say how many jobs there are");
  for (int i = 0; i < count; ++i)
    plan.jobs.push_back({i, read_yaml_list(sweep / str_cat(i) / "overrides.yaml")});
  return plan;
}

std::int64_t epochs_of(const std::filesystem::path& job) {
  return TrainConfig::from(read_yaml(job / "config.yaml"), true).training.epochs;
}

/// Whether a job has nothing more to do before epoch `end`. One that was halved goes on if it is among the
/// better ones after all: another, which had failed, may have been made up for.
bool done(const RunInfo& run, std::int64_t end) {
  return run.status == "finished" || run.status == "early stop" || run.status == "not finite" ||
         ((run.status == "paused" || run.status == "halved") && run.epochs_done.value_or(0) >= end);
}

void write_leaderboard(const std::filesystem::path& sweep, const Plan& plan) {
  io::write_file_atomically(sweep / "summary.csv", leaderboard(sweep, plan.jobs).csv());
}

/// Names a job by what only some of the jobs have.
std::string title_of(const Plan& plan, int number) {
  Job job = plan.jobs[static_cast<std::size_t>(number)];
  std::erase_if(job.overrides, [&](const std::string& text) {
    return plan.jobs.size() > 1 && std::ranges::all_of(plan.jobs, [&](const Job& other) {
             return std::ranges::find(other.overrides, text) != other.overrides.end();
           });
  });
  return job_title(job);
}

/// Marks a job as stopped by halving.
void mark_halved(const std::filesystem::path& job) {
  io::Json result = io::read_json_file(job / "result.json");
  result["status"] = "halved";
  io::write_json_file(job / "result.json", result);
}

/// Says how to go on, returns the exit code.
int interrupted(const std::filesystem::path& sweep, int signal) {
  std::printf("\nthe sweep is interrupted; to go on: minivit train --resume %s\n",
              printable(sweep.native()).c_str());
  return 128 + signal;
}

/// Runs what is not done yet. Returns 0, 1 if a job failed, or 128 + a signal.
int run_jobs(const std::filesystem::path& sweep) {
  const StopSignals signals;
  const RunLock lock(sweep);
  const Plan plan = read_plan(sweep);
  std::vector<Rung> rungs = halving_rungs(epochs_of(sweep / "0"), plan.halving);
  std::vector<int> alive;
  for (const Job& job : plan.jobs) alive.push_back(job.number);
  std::string failures;
  for (const Rung& rung : rungs) {
    const bool last = &rung == &rungs.back();
    for (const int number : alive) {
      const std::filesystem::path folder = sweep / str_cat(number);
      const std::string title = printable(title_of(plan, number));
      // Of a sweep that was killed the job may not have ended yet.
      const bool is_free = wait_for_folder(folder, signals, [&] {
        std::printf("\n%s : waiting for another process that is training it\n", title.c_str());
        std::fflush(stdout);
      });
      if (!is_free) return interrupted(sweep, signals.received());
      if (done(read_run(folder), rung.end)) {
        std::printf("%s : done before\n", title.c_str());
        continue;
      }
      std::printf("\n%s\n", title.c_str());
      std::fflush(stdout);
      std::vector<std::string> arguments{"minivit", "train", "--resume", folder.string()};
      if (!last) arguments.insert(arguments.end(), {"--until-epoch", str_cat(rung.end)});
      const int code = run_job(arguments, signals);
      write_leaderboard(sweep, plan);
      if (signals.received() || stopped_by_signal(code))
        return interrupted(sweep, signals.received() ? signals.received() : code - 128);
      if (code != 0) {
        const std::string why = str_cat("#", number,
                                        code > 128 ? str_cat(" was killed by signal ", code - 128)
                                                   : str_cat(" ended with exit code ", code));
        std::fprintf(stderr, "minivit train: job %s; the others go on\n", why.c_str());
        failures += str_cat(failures.empty() ? "" : ", ", why);
      }
    }
    if (last) break;
    std::vector<RungResult> results;
    for (const int number : alive) {
      const RunInfo run = read_run(sweep / str_cat(number));
      const bool failed = run.status == "failed" || run.status == "not finite" || run.status == "running";
      results.push_back({number, failed ? std::nullopt : run.best_val_acc});
    }
    const std::vector<int> next = survivors(results);
    for (const int number : alive)
      if (std::find(next.begin(), next.end(), number) == next.end() &&
          read_run(sweep / str_cat(number)).status == "paused") {
        mark_halved(sweep / str_cat(number));
        std::printf("%s : stopped after epoch %lld, among the weaker half\n",
                    printable(title_of(plan, number)).c_str(), static_cast<long long>(rung.end));
      }
    alive = next;
  }
  write_leaderboard(sweep, plan);
  const Leaderboard board = leaderboard(sweep, plan.jobs);
  std::printf("\n%s\n", board.table(terminal_width()).c_str());
  for (const std::string& line : board.spread()) std::printf("%s\n", printable(line).c_str());
  std::printf("sweep folder: %s\n", printable(sweep.native()).c_str());
  if (!failures.empty()) std::fprintf(stderr, "minivit train: %s\n", failures.c_str());
  return failures.empty() ? 0 : 1;
}

}  // namespace

bool is_sweep(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_regular_file(folder / "sweep.yaml", error);
}

namespace {

/// A job with its configuration.
struct Resolved {
  Job job;
  TrainConfig config;
};

/// All jobs, checked; nothing is written.
std::vector<Resolved> resolved_jobs(const SweepOptions& options, std::span<const std::string> overrides,
                                    const ResolveJob& resolve) {
  std::vector<Sweep> sweeps;
  std::vector<std::string> removed;  // ~name is the same for all
  for (const std::string& text : overrides)
    if (text.starts_with('~'))
      removed.push_back(text);
    else
      sweeps.push_back(parse_sweep(text));
  std::vector<Resolved> all;
  for (Job& job :
       options.sampler == "random" ? random_jobs(sweeps, options.trials, options.seed) : grid(sweeps)) {
    job.overrides.insert(job.overrides.begin(), removed.begin(), removed.end());
    TrainConfig config = resolve(job.overrides);
    all.push_back({std::move(job), std::move(config)});
  }
  // Wrong fractions are found now.
  halving_rungs(all.at(0).config.training.epochs, fractions_of(options.halving));
  return all;
}

/// Where settings are chosen, the first job's choice holds for all: they differ in what the command line says
/// alone. Each job takes the whole time.
void choose_recipe_for_all(std::vector<Resolved>& jobs) {
  const auto begun = std::chrono::steady_clock::now();
  TrainConfig first = jobs.front().config;
  if (!chooses_recipe(first)) return;
  choose_split(first);
  TrainingImages images = TrainingImages::open(first);
  const std::vector<RecipeChoice> choices = choose_recipe_for(first, images, begun);
  for (Resolved& one : jobs) {
    one.config.data.val_fraction = first.data.val_fraction;
    one.config.apply(not_given(choices, one.config.given));
  }
}

}  // namespace

int print_sweep(const SweepOptions& options, std::span<const std::string> overrides,
                const ResolveJob& resolve) {
  for (const Resolved& one : resolved_jobs(options, overrides, resolve)) {
    const std::string text = str_cat("---\n# ", printable(job_title(one.job)), "\n", one.config.yaml());
    std::fputs(text.c_str(), stdout);
  }
  return 0;
}

int run_sweep(const SweepOptions& options, std::span<const std::string> overrides,
              const ResolveJob& resolve) {
  std::vector<Resolved> jobs = resolved_jobs(options, overrides, resolve);
  for (Resolved& one : jobs)
    for (const std::string& line : choose_splits(one.config))
      if (&one == &jobs.front()) say_line("minivit train", line);
  std::error_code error;
  check<FileError>(std::filesystem::is_directory(jobs.front().config.data.train, error),
                   jobs.front().config.data.train, ": no such folder");
  choose_recipe_for_all(jobs);
  const TrainConfig& first = jobs.front().config;
  std::vector<NewFile> files;
  files.push_back(
      {"sweep.yaml", str_cat("sweep:\n  jobs: ", jobs.size(), "\n  sampler: ", options.sampler,
                             "\n  seed: ", options.seed, "\n  halving: \"", options.halving, "\"\n")});
  for (const Resolved& one : jobs)
    for (NewFile& file : files_of(one.config, one.job.overrides))
      files.push_back({str_cat(one.job.number, '/', file.name), std::move(file.content)});
  const auto sweep = std::filesystem::absolute(make_run_folder(first.multirun, files));
  std::printf("%zu %s in %s\n", jobs.size(), jobs.size() == 1 ? "job" : "jobs",
              printable(sweep.native()).c_str());
  return run_jobs(sweep);
}

int resume_sweep(const std::filesystem::path& folder, std::span<const std::string> overrides) {
  check<ConfigError>(overrides.empty(), folder.string(),
                     ": a sweep goes on as it began, without other settings");
  return run_jobs(std::filesystem::absolute(folder).lexically_normal());
}

}  // namespace minivit::cli
