// The jobs of a sweep, run one after the other.
#include "train_sweep.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "leaderboard.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/io/json.hpp"
#include "printable.hpp"
#include "run_folder.hpp"
#include "run_lock.hpp"
#include "stop_signal.hpp"
#include "sweep.hpp"
#include "terminal.hpp"
#include "train_run.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

/// Runs this program with `arguments` and waits; hands signals on. Returns its exit code, 128 + the signal if
/// it was killed.
int run_self(const std::vector<std::string>& arguments, const StopSignals& signals) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  check(error == 0, "cannot start a job: ", std::generic_category().message(error));
  bool told = false;
  for (int status = 0;;) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    check(done == 0 || errno == EINTR, "cannot wait for a job: ", std::generic_category().message(errno));
    // A terminal tells the job itself.
    if (signals.received() && !signals.from_terminal() && !std::exchange(told, true))
      ::kill(child, signals.received());
    ::usleep(20'000);
  }
}

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

/// Whether a job has nothing more to do before epoch `end`.
bool done(const RunInfo& run, std::int64_t end) {
  return run.status == "finished" || run.status == "early stop" || run.status == "not finite" ||
         run.status == "halved" || (run.status == "paused" && run.epochs_done.value_or(0) >= end);
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
      if (done(read_run(folder), rung.end)) {
        std::printf("%s : done before\n", title.c_str());
        continue;
      }
      std::printf("\n%s\n", title.c_str());
      std::fflush(stdout);
      std::vector<std::string> arguments{"minivit", "train", "--resume", folder.string()};
      if (!last) arguments.insert(arguments.end(), {"--until-epoch", str_cat(rung.end)});
      const int code = run_self(arguments, signals);
      write_leaderboard(sweep, plan);
      if (signals.received() || stopped_by_signal(code)) {
        std::printf("\nthe sweep is interrupted; to go on: minivit train --resume %s\n",
                    printable(sweep.native()).c_str());
        return signals.received() ? 128 + signals.received() : code;
      }
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
          read_run(sweep / str_cat(number)).status == "paused")
        mark_halved(sweep / str_cat(number));
    alive = next;
  }
  write_leaderboard(sweep, plan);
  std::printf("\n%s\nsweep folder: %s\n", leaderboard(sweep, plan.jobs).table(terminal_width()).c_str(),
              printable(sweep.native()).c_str());
  if (!failures.empty()) std::fprintf(stderr, "minivit train: %s\n", failures.c_str());
  return failures.empty() ? 0 : 1;
}

}  // namespace

bool is_sweep(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_regular_file(folder / "sweep.yaml", error);
}

int run_sweep(const SweepOptions& options, std::span<const std::string> overrides,
              const std::function<TrainConfig(std::span<const std::string>)>& resolve) {
  std::vector<Sweep> sweeps;
  std::vector<std::string> removed;  // ~name is the same for all
  for (const std::string& text : overrides)
    if (text.starts_with('~'))
      removed.push_back(text);
    else
      sweeps.push_back(parse_sweep(text));
  std::vector<Job> jobs =
      options.sampler == "random" ? random_jobs(sweeps, options.trials, options.seed) : grid(sweeps);
  std::vector<NewFile> files;
  const std::vector<double> halving = fractions_of(options.halving);
  files.push_back(
      {"sweep.yaml", str_cat("sweep:\n  jobs: ", jobs.size(), "\n  sampler: ", options.sampler,
                             "\n  seed: ", options.seed, "\n  halving: \"", options.halving, "\"\n")});
  std::string base;
  for (Job& job : jobs) {
    job.overrides.insert(job.overrides.begin(), removed.begin(), removed.end());
    const TrainConfig config = resolve(job.overrides);
    if (base.empty()) {
      halving_rungs(config.training.epochs, halving);  // wrong fractions are found now
      std::error_code error;
      check<FileError>(std::filesystem::is_directory(config.data.train, error), config.data.train,
                       ": no such folder");
      base = config.multirun;
    }
    for (NewFile& file : files_of(config, job.overrides))
      files.push_back({str_cat(job.number, '/', file.name), std::move(file.content)});
  }
  const auto sweep = std::filesystem::absolute(make_run_folder(base, files));
  std::printf("%zu jobs in %s\n", jobs.size(), printable(sweep.native()).c_str());
  return run_jobs(sweep);
}

int resume_sweep(const std::filesystem::path& folder, std::span<const std::string> overrides) {
  check<ConfigError>(overrides.empty(), folder.string(),
                     ": a sweep goes on as it began, without other settings");
  return run_jobs(std::filesystem::absolute(folder).lexically_normal());
}

}  // namespace minivit::cli
