// The fused kernels: how far from what the machine can do, and how far ahead of the same thing in Eigen.
//
// The limit is the memory's bandwidth (triad's, in lines that are fetched, whether to be read or
// overwritten), or the multiply-add peak for attention and linear layers. A share of the bandwidth above one
// means that the operands fit the last-level cache; far below one, that arithmetic (an exponential, random
// bits) is the limit after all. Everybody takes turns; a ratio is the other's time divided by ours: above 1
// we are faster. "unfused" are our own operations one after the other.
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "arguments.hpp"
#include "company.hpp"
#include "harness.hpp"
#include "kernels_attention.hpp"
#include "kernels_layers.hpp"
#include "kernels_rows.hpp"

using bench::Case;

namespace {

constexpr const char* kUsage =
    "kernels [--json] [--threads N] [--kernels SUBSTRING] [--rounds N]\n"
    "  --kernels  only those whose name contains it";

/// The largest error relative to the largest element that is taken for rounding.
constexpr double kTolerance = 2e-5;

/// A case that is made when it is its turn: together they would take a gigabyte.
struct Entry {
  const char* name;
  std::function<std::unique_ptr<Case>()> make;
};

template <class C, class... Sizes>
Entry entry(const char* name, Sizes... sizes) {
  return {name, [=]() -> std::unique_ptr<Case> { return std::make_unique<C>(sizes...); }};
}

std::vector<Entry> entries() {
  using namespace bench;
  return {entry<AttentionForward>("attention forward", 32, 197, 8, 32),
          entry<AttentionForward>("attention forward", 16, 197, 6, 64),
          entry<AttentionForward>("attention forward", 128, 65, 12, 16),
          entry<AttentionBackward>("attention backward", 32, 197, 8, 32),
          entry<AttentionBackward>("attention backward", 16, 197, 6, 64),
          entry<AttentionBackward>("attention backward", 128, 65, 12, 16),
          entry<NormLinear>("norm_linear", 6304, 256, 768),
          entry<NormLinear>("norm_linear", 3152, 768, 2304),
          entry<GeluLinear>("gelu_linear", 6304, 1024, 256),
          entry<PatchLinear>("patch_linear", 32, 224, 16, 256),
          entry<LayerNormForward>("layer norm forward", 6304, 256),
          entry<LayerNormForward>("layer norm forward", 3152, 768),
          entry<LayerNormBackward>("layer norm backward", 6304, 256),
          entry<LayerNormBackward>("layer norm backward", 3152, 768),
          entry<Softmax>("softmax", 50432, 197),
          entry<Gelu>("GELU forward", false, 6304, 1024),
          entry<Gelu>("GELU backward", true, 6304, 1024),
          entry<CrossEntropy>("cross-entropy, gradient", 512, 1000),
          entry<AdamWStep>("AdamW, clip, clear", 22'000'000),
          entry<Dropout>("dropout", 6304, 1024)};
}

/// What became of a case.
struct Result {
  double seconds, peak;  // of one run; FLOP/s, the best of its turns
  double eigen;          // ratios
  std::optional<double> unfused;
};

Result measure(Case& c, int rounds) {
  Result r{};
  std::vector<std::function<void()>> runs{[&] { c.ours(); }, [&] { c.eigen(); }};
  if (c.flops > 0) runs.push_back([&] { r.peak = std::max(r.peak, bench::peak_flops()); });
  if (c.unfused()) runs.push_back([&] { c.unfused(); });
  const std::vector<double> seconds = bench::seconds_in_turn(runs, rounds);
  r.seconds = seconds[0];
  r.eigen = seconds[1] / seconds[0];
  if (c.unfused()) r.unfused = seconds.back() / seconds[0];
  return r;
}

void report(bool json, const Case& c, const Result& r, const bench::Bandwidth& bandwidth, double error) {
  const bool arithmetic = c.flops > 0;
  const double rate = (arithmetic ? c.flops : c.bytes) / r.seconds,
               limit = arithmetic ? r.peak : bandwidth.triad;
  if (json) {
    std::printf(
        "{\"kernel\": \"%s\", \"size\": \"%s\", \"threads\": %d, \"ms\": %.4f, \"%s\": %.1f, \"limit\": "
        "%.1f, \"share\": %.3f, \"vs_eigen\": %.3f, ",
        c.name.c_str(), c.size.c_str(), minivit::num_threads(), r.seconds * 1e3,
        arithmetic ? "gflops" : "gbytes_per_s", rate / 1e9, limit / 1e9, rate / limit, r.eigen);
    if (r.unfused) std::printf("\"vs_unfused\": %.3f, ", *r.unfused);
    std::printf("\"error\": %.1e}\n", error);
  } else {
    std::printf("%-24s %-22s %8.3f %8.1f %s %7.1f%% %8.2f", c.name.c_str(), c.size.c_str(), r.seconds * 1e3,
                rate / 1e9, arithmetic ? "GF/s" : "GB/s", 100 * rate / limit, r.eigen);
    r.unfused ? std::printf(" %8.2f", *r.unfused) : std::printf(" %8s", "");
    std::printf(" %9.1e\n", error);
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, kUsage);
  const bool json = arguments.flag("--json");
  const int threads = arguments.number("--threads"), rounds = arguments.number("--rounds");
  const std::string wanted = arguments.text("--kernels", "");
  arguments.finish();
  std::vector<Entry> chosen = entries();
  std::erase_if(chosen,
                [&](const Entry& e) { return std::string(e.name).find(wanted) == std::string::npos; });
  if (chosen.empty()) arguments.wrong("--kernels is " + wanted + ", which fits none");
  if (threads) minivit::set_num_threads(threads);

  std::FILE* const notes = json ? stderr : stdout;
  const bench::Bandwidth bandwidth = bench::memory_bandwidth();
  std::fprintf(notes, "%d threads, %s, peak %.1f GF/s, memory %.1f GB/s (copy %.1f), Eigen %d.%d.%d\n",
               minivit::num_threads(), minivit::kInstructionSet, bench::peak_flops() / 1e9,
               bandwidth.triad / 1e9, bandwidth.copy / 1e9, EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
               EIGEN_MINOR_VERSION);
  if (!json)
    std::printf("\n%-24s %-22s %8s %13s %8s %8s %8s %9s\n", "kernel", "size", "ms", "rate", "limit", "Eigen",
                "unfused", "error");

  const bench::Company company;
  bool all_correct = true;
  for (const Entry& e : chosen) {
    const std::unique_ptr<Case> c = e.make();
    const double error = c->error();
    if (!(error <= kTolerance)) {
      std::fprintf(stderr, "%s %s is wrong, relative error %.1e\n", c->name.c_str(), c->size.c_str(), error);
      all_correct = false;
    }
    report(json, *c, measure(*c, rounds ? rounds : 5), bandwidth, error);
  }
  std::fprintf(notes, "other programs kept %.2f cores busy\n", company.cores());
  return all_correct ? 0 : 1;
}
