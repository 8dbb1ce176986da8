// Whole training steps and inference of whole models.
//
// A training step is forward, cross-entropy, backward, clipping to norm 1, AdamW; inference is the forward
// pass without a tape. Dropout and drop path are 0 in all models. The floor is 3 (inference: 1) × the FLOPs
// of the forward pass at the FMA peak, which is measured before every timed step. Each case is a process of
// its own, so that its peak memory and the time to its first step are its own.
//
// "others" are the cores that other programs kept busy meanwhile: far from 0, the figures are too low.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "arguments.hpp"
#include "company.hpp"
#include "harness.hpp"
#include "heap_count.hpp"
#include "minivit/model/packed_vit.hpp"
#include "minivit/model/summary.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/train/optimizer.hpp"

using namespace minivit;

namespace {

constexpr const char* kUsage =
    "step [--json] [--models mini,ti,s,b,cifar] [--mode train,infer] [--batch N] [--threads N] [--steps N]\n"
    "            [--on-demand]\n"
    "  --steps      timed steps (otherwise 5, and more while they are short)\n"
    "  --on-demand  one case; for each line N on standard input N steps, answered by a JSON list of seconds";

struct Options {
  bool json, on_demand;
  int steps;  // 0: as many as seem right
};

struct Model {
  const char* name;
  ViTConfig config;
  int train_batch;
};

std::vector<Model> models() {
  ViTConfig cifar = ViTConfig::tiny();  // 192 channels, 9 layers, 12 heads, patches of 4 on 32 x 32
  cifar.image_height = cifar.image_width = 32;
  cifar.patch_size = 4;
  cifar.num_layers = 9;
  cifar.num_heads = 12;
  cifar.num_classes = 10;
  return {{"mini", ViTConfig::mini(), 32},
          {"ti", ViTConfig::tiny(), 32},
          {"s", ViTConfig::small(), 16},
          {"b", ViTConfig::base(), 8},
          {"cifar", cifar, 128}};
}

struct Case {
  Model model;
  bool train;
  int batch;
};

/// What became of a case.
struct Result {
  double flops = 0;  // of a step
  std::int64_t parameters = 0;
  double first = 0;           // seconds from the start of the process to the end of the first step
  std::vector<double> times;  // seconds of each timed step
  double peak = 0;            // FLOP/s, the best that was seen
  double others = 0;          // cores that other programs kept busy
  double allocations = 0;     // of a timed step: blocks that the pool asked of the system, and operator new
};

std::size_t allocations() { return bench::heap_allocations + Pool::instance().stats().system_allocations; }

/// Steps as many as somebody asks for on standard input.
template <class Timed>
void on_demand(const Result& r, const Timed& timed_step) {
  std::printf("{\"parameters\": %lld, \"first_step_s\": %.3f}\n", static_cast<long long>(r.parameters),
              r.first);
  std::fflush(stdout);
  for (int n; std::cin >> n;) {
    std::string answer;
    for (int i = 0; i < n; ++i) answer += (i ? ", " : "") + std::to_string(timed_step());
    std::printf("[%s]\n", answer.c_str());
    std::fflush(stdout);
  }
}

/// The first two steps find memory, the others are timed: at least 5 and 2 seconds, but not beyond 30 seconds
/// if there are 3.
template <class Step>
void measure(const Options& o, const Step& step, double start, Result& r) {
  step();
  r.first = bench::now() - start;
  step();
  r.times.reserve(10'000);
  const auto timed_step = [&] {
    if (!o.on_demand) r.peak = std::max(r.peak, bench::peak_flops());
    const std::size_t before = allocations();
    r.times.push_back(bench::seconds_once(step));
    r.allocations += static_cast<double>(allocations() - before);
    return r.times.back();
  };
  if (o.on_demand) return on_demand(r, timed_step);
  const bench::Company company;
  double total = 0;
  for (int n = 0; o.steps ? n < o.steps : (n < 5 || total < 2) && (n < 3 || total < 30); ++n)
    total += timed_step();
  r.peak = std::max(r.peak, bench::peak_flops());
  r.others = company.cores();
  r.allocations /= static_cast<double>(r.times.size());
}

Result run(const Options& o, const Case& c) {
  const double start = bench::now();
  manual_seed(0);
  VisionTransformer model(c.model.config);
  const ViTConfig& config = model.config;
  Tensor images = Tensor::empty({c.batch, config.channels, config.image_height, config.image_width});
  init_uniform(images, 1.0f);

  Result r;
  r.parameters = config.parameter_count();
  for (const LayerSummary& layer : summary(model, c.batch).layers)
    r.flops += (c.train ? 6 : 2) * static_cast<double>(layer.mult_adds);
  if (c.train) {
    std::vector<int> labels;
    for (int i = 0; i < c.batch; ++i) labels.push_back(i % static_cast<int>(config.num_classes));
    ParameterArena parameters = flatten(model);
    AdamW optimizer(parameters, {});
    const Training training;
    const auto step = [&] {
      backward(cross_entropy(model(images), labels));
      optimizer.step(1e-4f, clip_factor(grad_norm(parameters), 1.0), true);
    };
    measure(o, step, start, r);
  } else {
    const PackedViT packed(model);
    measure(
        o, [&] { (void)packed(images); }, start, r);
  }
  return r;
}

void report(const Options& o, const Case& c, const Result& r) {
  const double seconds = bench::median(r.times), rate = r.flops / seconds;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double peak_mb = static_cast<double>(usage.ru_maxrss) * 1024 / 1e6,
               pool_mb = static_cast<double>(Pool::instance().stats().peak_in_use) / 1e6;
  const char* const mode = c.train ? "train" : "infer";
  if (o.json)
    std::printf(
        "{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"threads\": %d, \"ms\": %.3f, "
        "\"images_per_s\": %.2f, \"gflops\": %.1f, \"peak_gflops\": %.1f, \"share_of_floor\": %.3f, "
        "\"peak_mb\": %.1f, \"pool_peak_mb\": %.1f, \"allocations_per_step\": %.3g, \"first_step_s\": %.3f, "
        "\"steps\": %zu, \"others\": %.2f, \"parameters\": %lld}\n",
        c.model.name, mode, c.batch, num_threads(), seconds * 1e3, c.batch / seconds, rate / 1e9,
        r.peak / 1e9, rate / r.peak, peak_mb, pool_mb, r.allocations, r.first, r.times.size(), r.others,
        static_cast<long long>(r.parameters));
  else
    std::printf("%-6s %-6s %5d %5zu %9.1f %9.1f %8.1f %8.1f %8.1f%% %8.0f %8.0f %8.3g %8.2f %7.2f\n",
                c.model.name, mode, c.batch, r.times.size(), seconds * 1e3, c.batch / seconds, rate / 1e9,
                r.peak / 1e9, 100 * rate / r.peak, peak_mb, pool_mb, r.allocations, r.first, r.others);
  std::fflush(stdout);
}

int run_and_report(const Options& o, const Case& c) try {
  const Result r = run(o, c);
  if (!o.on_demand) report(o, c, r);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "step: %s, batch %d: %s\n", c.model.name, c.batch, e.what());
  return 1;
}

/// The same in a process of its own. Nothing before has started a thread, which forking would lose.
int run_apart(const Options& o, const Case& c) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return run_and_report(o, c);
  if (child == 0) std::_Exit(run_and_report(o, c));
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    std::fprintf(stderr, "step: %s, batch %d: ended by signal %d\n", c.model.name, c.batch, WTERMSIG(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/// The cases asked for, in the order of `models()`.
std::vector<Case> cases(const std::string& wanted, const std::string& modes, int batch,
                        const bench::Arguments& arguments) {
  bool train = false, infer = false;
  for (const std::string& mode : bench::split(modes)) {
    if (mode != "train" && mode != "infer")
      arguments.wrong("--mode is " + mode + ", expected train or infer");
    (mode == "train" ? train : infer) = true;
  }
  std::vector<Case> found;
  std::vector<std::string> names = bench::split(wanted);
  for (const Model& model : models()) {
    if (std::erase(names, model.name) == 0) continue;
    if (train) found.push_back({model, true, batch ? batch : model.train_batch});
    if (infer && batch) found.push_back({model, false, batch});
    if (infer && !batch)
      for (const int few : {1, 8}) found.push_back({model, false, few});
  }
  if (!names.empty()) arguments.wrong("--models: there is no " + names.front());
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, kUsage);
  const Options o{arguments.flag("--json"), arguments.flag("--on-demand"), arguments.number("--steps")};
  const int threads = arguments.number("--threads"), batch = arguments.number("--batch");
  const std::string wanted = arguments.text("--models", "mini,ti,s,b,cifar"),
                    modes = arguments.text("--mode", "train,infer");
  arguments.finish();
  const std::vector<Case> all = cases(wanted, modes, batch, arguments);
  if (o.on_demand && all.size() != 1) arguments.wrong("--on-demand takes one model, one mode and one batch");
  if (threads) set_num_threads(threads);

  if (!o.json && !o.on_demand)
    std::printf("%d threads, %s, dropout 0\n%-6s %-6s %5s %5s %9s %9s %8s %8s %9s %8s %8s %8s %8s %7s\n",
                num_threads(), kInstructionSet, "model", "mode", "batch", "steps", "ms", "images/s", "GF/s",
                "peak", "of floor", "MB", "pool MB", "alloc", "first s", "others");
  if (all.size() == 1) return run_and_report(o, all.front());
  int worst = 0;
  for (const Case& c : all) worst = std::max(worst, run_apart(o, c));
  return worst;
}
