// The stages of docs/kernels.md: the same thing computed in ever better ways, on one thread unless a stage
// says otherwise. All stages of a topic take turns; the limits are measured in between.
//
// An error is relative to the largest element of a result in double precision. Some stages are there to be
// wrong; if another one is, the program ends with 1.
#include <cstdio>
#include <memory>

#include "arguments.hpp"
#include "company.hpp"
#include "harness.hpp"
#include "stages_attention.hpp"
#include "stages_matmul.hpp"
#include "stages_rows.hpp"

using bench::Stage, bench::Topic;

namespace {

constexpr const char* kUsage =
    "stages [--json] [--stage SUBSTRING] [--threads N] [--rounds N]\n"
    "  --stage    only those whose topic or name contains it\n"
    "  --threads  of the stages that use all";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// f() with that many threads.
template <class F>
auto with_threads(int threads, const F& f) {
  minivit::set_num_threads(threads);
  return f();
}

void report(bool json, const Topic& topic, const Stage& stage, int threads, double seconds, double limit,
            double error) {
  const bool arithmetic = topic.flops > 0;
  const double rate = (arithmetic ? topic.flops : topic.bytes) / seconds;
  if (json) {
    std::printf(
        "{\"topic\": \"%s\", \"size\": \"%s\", \"stage\": \"%s\", \"threads\": %d, \"ms\": %.4f, \"%s\": "
        "%.2f, \"limit\": %.1f, \"share\": %.4f, \"error\": ",
        topic.name.c_str(), topic.size.c_str(), stage.name.c_str(), threads, seconds * 1e3,
        arithmetic ? "gflops" : "gbytes_per_s", rate / 1e9, limit / 1e9, rate / limit);
    std::printf(std::isfinite(error) ? "%.1e}\n" : "null}\n", error);
  } else {
    std::printf("  %-26s %7d %9.3f %8.2f %s %7.1f%% %9.1e\n", stage.name.c_str(), threads, seconds * 1e3,
                rate / 1e9, arithmetic ? "GF/s" : "GB/s", 100 * rate / limit, error);
  }
  std::fflush(stdout);
}

/// A stage that takes longer is measured once, while its result is checked: the others would wait for it.
constexpr double kSlow = 1.0;

/// Measures and reports the topic's stages that are asked for. False if one of them is wrong.
bool run(bool json, Topic& topic, const std::string& wanted, int rounds, int all_threads, double bandwidth) {
  if (!contains(topic.name, wanted))
    std::erase_if(topic.stages, [&](const Stage& s) { return !contains(s.name, wanted); });
  if (topic.stages.empty()) return true;
  if (!json) std::printf("%s, %s\n", topic.name.c_str(), topic.size.c_str());

  bool correct = true;
  std::vector<double> errors, once;
  std::vector<std::function<void()>> runs;
  for (const Stage& stage : topic.stages) {
    const int threads = stage.threads ? all_threads : 1;
    once.push_back(bench::seconds_once(
        [&] { errors.push_back(with_threads(threads, [&] { return topic.error(stage); })); }));
    if (!(errors.back() <= stage.tolerance) && std::isfinite(stage.tolerance)) {
      std::fprintf(stderr, "%s is wrong, relative error %.1e\n", stage.name.c_str(), errors.back());
      correct = false;
    }
    if (once.back() < kSlow) runs.push_back([&stage, threads] { with_threads(threads, stage.run); });
  }
  double peak = 0, peak_of_all = 0;
  runs.push_back([&] { peak = std::max(peak, with_threads(1, bench::peak_flops)); });
  runs.push_back([&] { peak_of_all = std::max(peak_of_all, with_threads(all_threads, bench::peak_flops)); });
  const std::vector<double> medians = bench::seconds_in_turn(runs, rounds);
  for (std::size_t i = 0, fast = 0; i < topic.stages.size(); ++i) {
    const Stage& stage = topic.stages[i];
    const double limit = topic.flops > 0 ? (stage.threads ? peak_of_all : peak) : bandwidth;
    report(json, topic, stage, stage.threads ? all_threads : 1, once[i] < kSlow ? medians[fast++] : once[i],
           limit, errors[i]);
  }
  return correct;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, kUsage);
  const bool json = arguments.flag("--json");
  const int asked = arguments.number("--threads"), rounds_asked = arguments.number("--rounds");
  const std::string wanted = arguments.text("--stage", "");
  arguments.finish();
  const int all_threads = asked ? asked : minivit::num_threads(), rounds = rounds_asked ? rounds_asked : 5;

  std::vector<std::unique_ptr<Topic>> topics;
  topics.push_back(std::make_unique<bench::matmul::Matmul>());
  topics.push_back(std::make_unique<bench::matmul::Columns64>());
  topics.push_back(std::make_unique<bench::matmul::Rows197>());
  topics.push_back(std::make_unique<bench::attention::Attention>());
  topics.push_back(std::make_unique<bench::rows::LayerNorm>());
  topics.push_back(std::make_unique<bench::rows::NormLinear>());
  topics.push_back(std::make_unique<bench::rows::GeluDerivative>());
  bool found = false;
  for (const auto& topic : topics) {
    found = found || contains(topic->name, wanted);
    for (const Stage& stage : topic->stages) found = found || contains(stage.name, wanted);
  }
  if (!found) arguments.wrong("--stage is " + wanted + ", which fits none");

  std::FILE* const notes = json ? stderr : stdout;
  const double bandwidth = with_threads(1, bench::memory_bandwidth).triad;
  std::fprintf(notes, "%s, one thread: peak %.1f GF/s, memory %.1f GB/s\n", minivit::kInstructionSet,
               with_threads(1, bench::peak_flops) / 1e9, bandwidth / 1e9);
  if (!json)
    std::printf("\n  %-26s %7s %9s %13s %8s %9s\n", "stage", "threads", "ms", "rate", "limit", "error");
  const bench::Company company;
  bool correct = true;
  for (const auto& topic : topics)
    correct = run(json, *topic, wanted, rounds, all_threads, bandwidth) && correct;
  std::fprintf(notes, "other programs kept %.2f cores busy\n", company.cores());
  return correct ? 0 : 1;
}
