// Whole training steps and inference of whole models: step [--json] [--models seed,ti,s,cifar] [--mode
// train,infer]
//                                                          [--batch N] [--threads N]
#include <cstdio>
#include <cstdlib>
#include <string>

#include "harness.hpp"
#include "minivit/model/summary.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/train/optimizer.hpp"

using namespace minivit;

namespace {

struct Options {
  std::string models = "seed,ti,s,cifar", mode = "train,infer";
  int batch = 0, threads = 0;  // 0: as the model wants, as there are
  bool json = false;
};

struct Case {
  const char* name;
  ViTConfig config;
  int train_batch;
};

std::vector<Case> cases() {
  ViTConfig cifar = ViTConfig::tiny();  // 192 channels, 9 layers, 12 heads, patches of 4 on 32 x 32
  cifar.image_height = cifar.image_width = 32;
  cifar.patch_size = 4;
  cifar.num_layers = 9;
  cifar.num_heads = 12;
  cifar.num_classes = 10;
  return {{"seed", ViTConfig::seed(), 32},
          {"ti", ViTConfig::tiny(), 32},
          {"s", ViTConfig::small(), 16},
          {"b", ViTConfig::base(), 8},
          {"cifar", cifar, 128}};
}

void report(const Options& o, const char* model, const char* mode, int batch, double flops, double peak,
            double seconds, std::size_t allocations) {
  const double rate = flops / seconds,
               megabytes = static_cast<double>(Pool::instance().stats().peak_in_use) / 1e6;
  if (o.json)
    std::printf(
        "{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"threads\": %d, \"ms\": %.2f, "
        "\"images_per_s\": %.1f, "
        "\"gflops\": %.1f, \"share_of_floor\": %.3f, \"peak_mb\": %.0f, \"allocations_per_step\": %zu}\n",
        model, mode, batch, num_threads(), seconds * 1e3, batch / seconds, rate / 1e9, rate / peak, megabytes,
        allocations);
  else
    std::printf("%-6s %-6s %5d %9.1f %9.1f %8.1f %8.0f%% %9.0f %6zu\n", model, mode, batch, seconds * 1e3,
                batch / seconds, rate / 1e9, 100 * rate / peak, megabytes, allocations);
  std::fflush(stdout);
}

void run(const Options& o, const Case& c, bool train, int batch, double peak) {
  Pool::instance().release();
  Pool::instance().reset_peak();
  manual_seed(0);
  VisionTransformer model(c.config);
  Tensor images = Tensor::empty({batch, 3, c.config.image_height, c.config.image_width});
  init_uniform(images, 1.0f);
  double mult_adds = 0;
  for (const LayerSummary& layer : summarize(model, batch)) mult_adds += static_cast<double>(layer.mult_adds);

  const auto measure = [&](double flops, const auto& step) {
    step();
    step();
    const std::size_t before = Pool::instance().stats().system_allocations;
    step();
    const std::size_t allocations = Pool::instance().stats().system_allocations - before;
    report(o, c.name, train ? "train" : "infer", batch, flops, peak, bench::seconds(step), allocations);
  };
  if (train) {
    std::vector<int> labels;
    for (int i = 0; i < batch; ++i) labels.push_back(i % static_cast<int>(c.config.num_classes));
    ParameterArena parameters = flatten(model);
    AdamW optimizer(parameters, {});
    const Training training;
    measure(6 * mult_adds, [&] {
      backward(cross_entropy(model(images), labels));
      clip_grad_norm(parameters, 1.0);
      optimizer.step(1e-4f);
      parameters.zero_grad();
    });
  } else {
    const NoGrad values_only;
    measure(2 * mult_adds, [&] { model(images); });
  }
}

bool contains(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--json") {
      o.json = true;
      continue;
    }
    const char* const value = i + 1 < argc ? argv[++i] : nullptr;
    if (value && flag == "--models")
      o.models = value;
    else if (value && flag == "--mode")
      o.mode = value;
    else if (value && flag == "--batch")
      o.batch = std::atoi(value);
    else if (value && flag == "--threads")
      o.threads = std::atoi(value);
    else {
      std::fprintf(stderr,
                   "usage: step [--json] [--models seed,ti,s,b,cifar] [--mode train,infer] [--batch N] "
                   "[--threads N]\n");
      return 2;
    }
  }
  if (o.threads > 0) set_num_threads(o.threads);
  const double peak = bench::peak_flops() * num_threads();
  if (!o.json)
    std::printf(
        "%d threads, peak %.1f GF/s\nmodel  mode   batch        ms  images/s     GF/s  of floor   peak MB  "
        "alloc\n",
        num_threads(), peak / 1e9);
  for (const Case& c : cases()) {
    if (!contains(o.models, c.name)) continue;
    if (contains(o.mode, "train")) run(o, c, true, o.batch > 0 ? o.batch : c.train_batch, peak);
    if (contains(o.mode, "infer"))
      for (const int batch : {1, 8})
        if (o.batch == 0 || batch == 1) run(o, c, false, o.batch > 0 ? o.batch : batch, peak);
  }
}
