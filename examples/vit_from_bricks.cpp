// A Vision Transformer put together by hand from its bricks, trained until it knows one batch by heart.
// The ready-made one is `VisionTransformer`; this is how it works inside, and how to build another.
#include <cstdio>
#include <minivit/vit.hpp>
#include <vector>

using namespace minivit;

struct TinyViT {
  PatchEmbedding patches{3, 8, 64};  // 3 channels, patches of 8 × 8 pixels, 64 numbers for each
  Parameter positions{Tensor::zeros({1, 16, 64})};  // an image of 32 × 32 has 16 patches
  Encoder encoder{4, {.dim = 64, .heads = 4, .hidden = 128}};
  LayerNorm norm{64};
  Linear head{64, 10};

  Var operator()(const Var& images) const {  // (B, 3, 32, 32)
    Var x = patches(images) + positions;     // (B, 16, 64)
    x = encoder(x);                          // (B, 16, 64)
    return head(norm(mean(x, {1})));         // (B, 64) -> (B, 10)
  }

  // The one list of names: optimizer, checkpoint and summary go by it.
  static void visit(auto& self, auto&& f) {
    f("patches", self.patches);
    f("positions", self.positions);
    f("encoder", self.encoder);
    f("norm", self.norm);
    f("head", self.head);
  }
};

int main() {
  manual_seed(0);
  TinyViT model;
  std::printf("%lld parameters\n", static_cast<long long>(parameter_count(model)));

  // One batch of noise with labels: nothing to understand, only to remember.
  Tensor images = Tensor::empty({16, 3, 32, 32});
  Rng rng(1);
  for (float& v : images.values()) v = rng.normal();
  std::vector<int> labels;
  for (int i = 0; i < 16; ++i) labels.push_back(i % 10);

  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {.weight_decay = 0.01f});
  const CosineSchedule schedule{.peak = 2e-3, .warmup = 10, .total = 100};

  const Training training;  // switches dropout on
  for (int step = 0; step < 100; ++step) {
    const Var loss = cross_entropy(model(images), labels);
    backward(loss);
    clip_grad_norm(parameters, 1.0);
    optimizer.step(static_cast<float>(schedule(step)));
    parameters.zero_grad();
    if (step % 20 == 0 || step == 99) std::printf("step %3d  loss %.4f\n", step, loss.item());
  }

  Metrics metrics;
  const NoGrad values_only;
  metrics.add(model(images).value(), labels);
  std::printf("%lld of 16 remembered\n", static_cast<long long>(metrics.correct));
  return metrics.correct == 16 ? 0 : 1;
}
