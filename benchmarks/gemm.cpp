// Matrix products of the sizes that Vision Transformers have, against the libraries of peers.hpp.
//
// Everybody computes the same product from the same operands and takes turns; a ratio is the peer's time
// divided by ours: above 1 we are faster. Weights are not packed beforehand by anybody.
#include <cmath>
#include <cstdio>
#include <map>

#include "arguments.hpp"
#include "company.hpp"
#include "harness.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/kernels/gemm.hpp"
#include "peers.hpp"

using namespace minivit;
using bench::Contender, bench::Product;
using minivit::kernels::MatrixView;

namespace {

constexpr const char* kUsage =
    "gemm [--json] [--threads N] [--shapes FILTER] [--rounds N] [--no-peers]\n"
    "  --shapes  comma-separated: parts of MxNxK (768x256), or numbers of the list (0 is the first)";

/// A linear layer: x (M, K), weight (N, K), y (M, N).
struct Layer {
  std::int64_t M, N, K;
  std::string name() const { return std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K); }
};

// Rows: 32 images of 197 tokens, 16 of them (B), one, and 128 of 65 (CIFAR).
constexpr Layer kLayers[] = {{6304, 768, 256},  {6304, 1024, 256}, {6304, 256, 1024}, {6304, 576, 192},
                             {6304, 768, 192},  {6304, 192, 768},  {6304, 1536, 384}, {6304, 384, 1536},
                             {3152, 3072, 768}, {3152, 768, 3072}, {197, 768, 256},   {197, 1024, 256},
                             {197, 256, 1024},  {8320, 576, 192}};

constexpr std::int64_t kManyRows = 1000;  // from here on a layer counts for the lowest share of the peak

/// The largest error of any contender, relative to the largest element. Sums of up to 8320 products of
/// numbers up to 1 differ by some 1e-6 from order to order; a wrong or missing term is far above.
constexpr double kTolerance = 2e-5;

constexpr const char* kForms[] = {"forward", "dx", "dw"};

Tensor random(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Tensor t = Tensor::empty({rows, columns});
  Rng rng(seed);
  for (float& v : t.values()) v = rng.uniform(-1, 1);
  return t;
}

/// What a layer multiplies: Y = X Wᵀ, dX = dY W, dW = dYᵀ X.
struct Operands {
  Tensor x, w, dy, out;
  Product product;

  Operands(const Layer& l, const std::string& form)
      : x(random(l.M, l.K, 1)), w(random(l.N, l.K, 2)), dy(random(l.M, l.N, 3)) {
    const auto X = MatrixView::rows(x.data(), l.K), W = MatrixView::rows(w.data(), l.K),
               D = MatrixView::rows(dy.data(), l.N);
    if (form == "forward") product = {l.M, l.N, l.K, X, W.transposed(), nullptr};
    if (form == "dx") product = {l.M, l.K, l.N, D, W, nullptr};
    if (form == "dw") product = {l.N, l.K, l.M, D.transposed(), X, nullptr};
    out = Tensor::empty({product.m, product.n});
    product.c = out.data();
  }
};

Contender ours() {
  return {"minivit", kInstructionSet,
          [](const Product& p) { kernels::gemm(p.m, p.n, p.k, p.a, p.b, p.c, p.n); }};
}

/// Whether everybody computes what Eigen does; says who does not.
bool correct(Operands& o, const std::string& name, const std::vector<Contender>& contenders) {
  bench::eigen().multiply(o.product);
  const Tensor expected = o.out.clone();
  const double largest = as_array(expected).abs().maxCoeff();
  bool all = true;
  for (const Contender& c : contenders) {
    as_array(o.out).setConstant(NAN);
    c.multiply(o.product);
    const double error = (as_array(o.out) - as_array(expected)).abs().maxCoeff<Eigen::PropagateNaN>();
    if (error <= kTolerance * largest) continue;  // false for NaN
    std::fprintf(stderr, "%s: %s is wrong, relative error %.1e\n", name.c_str(), c.name.c_str(),
                 error / largest);
    all = false;
  }
  return all;
}

/// What is said at the end.
struct Summary {
  std::map<std::string, std::map<std::string, std::vector<double>>> ratios;  // peer -> form -> one a layer
  std::map<std::string, std::pair<double, std::string>> lowest;              // form -> share, layer

  void print(std::FILE* out, const std::vector<Contender>& contenders) const {
    std::fprintf(out, "\n");
    if (contenders.size() > 1) print_ratios(out, contenders);
    for (const char* form : kForms)
      if (const auto low = lowest.find(form); low != lowest.end())
        std::fprintf(out, "lowest share of peak, %-7s  %.1f%% (%s)\n", form, 100 * low->second.first,
                     low->second.second.c_str());
  }

  void print_ratios(std::FILE* out, const std::vector<Contender>& contenders) const {
    std::fprintf(out, "geometric mean of peer's time / ours\n%-10s", "peer");
    for (const char* form : kForms) std::fprintf(out, "%9s", form);
    std::fprintf(out, "%9s\n", "all");
    for (std::size_t i = 1; i < contenders.size(); ++i) {
      std::fprintf(out, "%-10s", contenders[i].name.c_str());
      std::vector<double> all;
      for (const char* form : kForms) {
        const std::vector<double>& r = ratios.at(contenders[i].name).at(form);
        all.insert(all.end(), r.begin(), r.end());
        std::fprintf(out, "%9.2f", mean(r));
      }
      std::fprintf(out, "%9.2f\n", mean(all));
    }
  }

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += std::log(v);
    return std::exp(sum / static_cast<double>(values.size()));
  }
};

/// Times one product. `seconds` gets one entry for each contender. Returns the peak in FLOP/s, the highest
/// that was seen in its turns: another program may have taken a core from it for a while.
double measure(const Operands& o, const std::vector<Contender>& contenders, int rounds,
               std::vector<double>& seconds) {
  std::vector<std::function<void()>> runs;
  for (const Contender& c : contenders) runs.push_back([&] { c.multiply(o.product); });
  double peak = 0;
  runs.push_back([&] { peak = std::max(peak, bench::peak_flops()); });
  seconds = bench::seconds_in_turn(runs, rounds);
  seconds.pop_back();
  return peak;
}

/// The layers that `filter` names; all if it is empty.
std::vector<Layer> chosen(const std::string& filter, const bench::Arguments& arguments) {
  std::vector<Layer> layers;
  for (std::size_t i = 0; i < std::size(kLayers); ++i)
    for (const std::string& part : bench::split(filter)) {
      bool number = !part.empty() && part.size() <= 2;  // no size has so few digits
      for (const char c : part) number = number && c >= '0' && c <= '9';
      if (number ? part == std::to_string(i) : kLayers[i].name().find(part) != std::string::npos) {
        layers.push_back(kLayers[i]);
        break;
      }
    }
  if (layers.empty()) arguments.wrong("--shapes is " + filter + ", which fits none");
  return layers;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, kUsage);
  const bool json = arguments.flag("--json"), alone = arguments.flag("--no-peers");
  const int asked = arguments.number("--threads"), rounds_asked = arguments.number("--rounds");
  const std::vector<Layer> layers = chosen(arguments.text("--shapes", ""), arguments);
  arguments.finish();
  const int rounds = rounds_asked ? rounds_asked : 5;
  if (asked) set_num_threads(asked);
  const int threads = num_threads();

  std::vector<Contender> contenders{ours()};
  if (!alone)
    for (Contender& c : bench::peers(threads)) contenders.push_back(std::move(c));

  std::FILE* const notes = json ? stderr : stdout;
  for (const Contender& c : contenders) std::fprintf(notes, "%-10s %s\n", c.name.c_str(), c.about.c_str());
  std::fprintf(notes, "%d threads, peak %.1f GF/s\n", threads, bench::peak_flops() / 1e9);
  if (!json) {
    std::printf("\n%-16s %-8s %8s %8s %8s", "M x N x K", "form", "GF/s", "peak", "share");
    for (std::size_t i = 1; i < contenders.size(); ++i)
      std::printf("%9s (share)", contenders[i].name.c_str());
    std::printf("\n");
  }

  const bench::Company company;
  Summary summary;
  bool all_correct = true;
  for (const Layer& layer : layers)
    for (const char* form : kForms) {
      Operands operands(layer, form);
      all_correct &= correct(operands, layer.name() + " " + form, contenders);
      std::vector<double> seconds;
      const double peak = measure(operands, contenders, rounds, seconds);

      const double flops = 2.0 * static_cast<double>(layer.M * layer.N * layer.K), rate = flops / seconds[0];
      if (json)
        std::printf(
            "{\"shape\": [%lld, %lld, %lld], \"form\": \"%s\", \"threads\": %d, \"gflops\": %.1f, "
            "\"peak_gflops\": %.1f, \"share\": %.3f, \"vs\": {",
            static_cast<long long>(layer.M), static_cast<long long>(layer.N), static_cast<long long>(layer.K),
            form, threads, rate / 1e9, peak / 1e9, rate / peak);
      else
        std::printf("%-16s %-8s %8.1f %8.1f %7.1f%%", layer.name().c_str(), form, rate / 1e9, peak / 1e9,
                    100 * rate / peak);
      for (std::size_t i = 1; i < contenders.size(); ++i) {
        const double ratio = seconds[i] / seconds[0];
        summary.ratios[contenders[i].name][form].push_back(ratio);
        if (json)
          std::printf("%s\"%s\": %.3f", i > 1 ? ", " : "", contenders[i].name.c_str(), ratio);
        else
          std::printf("%9.2f (%4.1f%%)", ratio, 100 * flops / seconds[i] / peak);
      }
      std::printf(json ? "}}\n" : "\n");
      std::fflush(stdout);
      if (layer.M >= kManyRows) {
        const auto [low, first] = summary.lowest.try_emplace(form, std::pair{rate / peak, layer.name()});
        if (!first) low->second = std::min(low->second, std::pair{rate / peak, layer.name()});
      }
    }
  summary.print(notes, contenders);
  std::fprintf(notes, "other programs kept %.2f cores busy\n", company.cores());
  return all_correct ? 0 : 1;
}
