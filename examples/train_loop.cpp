// From a folder of images to a saved model, with the training loop in plain sight:
//   train_loop FOLDER MODEL      FOLDER has a sub-folder of images for each class; MODEL is the folder to
//   write
// `minivit train` does the same with settings, checkpoints, curves and more. Here the sizes suit images of 16
// pixels
// (`minivit digits` writes some); for photos take ViTConfig::small() or start from a pretrained model.
#include <cstdio>
#include <minivit/vit.hpp>

using namespace minivit;

int train(const char* folder, const char* destination) {
  // The data: a tenth of each class is set aside, and only the rest is augmented.
  const Preprocess preprocess{.height = 16, .width = 16};
  const ImageFolder images(folder, TrainTransform{.base = preprocess, .scale_min = 0.6, .hflip = 0.0}),
      plain_images(folder, preprocess);
  const auto [train_part, val_part] = stratified_split(images.labels(), 0.1, 0);
  const Subset train_set(images, train_part), val_set(plain_images, val_part);
  DataLoader train_loader(train_set, {.batch_size = 32, .shuffle = true, .drop_last = true}),
      val_loader(val_set, {.batch_size = 32});

  // The model, its parameters side by side in memory, and what changes them.
  manual_seed(0);
  VisionTransformer model({.image_height = 16,
                           .image_width = 16,
                           .patch_size = 4,
                           .num_classes = static_cast<std::int64_t>(images.classes().size()),
                           .embedding_dim = 96,
                           .num_layers = 4,
                           .num_heads = 4,
                           .mlp_ratio = 2,
                           .pooling = Pooling::mean,
                           .class_token = false});
  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {.weight_decay = 0.05f});
  constexpr std::int64_t kEpochs = 20;
  const auto steps = static_cast<std::int64_t>(train_loader.batches_per_epoch());
  const CosineSchedule schedule{.peak = 2e-3, .warmup = steps, .total = steps * kEpochs};

  double best = -1;
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const Training training;  // dropout and drop path are on until the end of this block
    Metrics seen;
    for (const Batch& batch : train_loader.epoch(static_cast<std::uint64_t>(epoch))) {
      const Var logits = model(batch.images);                                           // forward
      const Var loss = cross_entropy(logits, batch.labels, {.label_smoothing = 0.1f});  // loss
      backward(loss);                                                                   // backward
      clip_grad_norm(parameters, 1.0);                                                  // clip
      optimizer.step(static_cast<float>(schedule(optimizer.steps())));                  // step, schedule
      parameters.zero_grad();
      seen.add(logits.value(), batch.labels);
    }
    const Metrics val = evaluate(model, val_loader.epoch(0));
    std::printf("epoch %2lld  loss %.4f  validation accuracy %.4f\n", static_cast<long long>(epoch + 1),
                seen.loss(), val.top1());
    if (val.top1() > best) {
      best = val.top1();
      save_model(destination, model, images.classes(), preprocess);  // whole or not at all
    }
  }
  std::printf("the best model is in %s\n", destination);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: train_loop FOLDER MODEL\n"), 2;
  try {
    return train(argv[1], argv[2]);
  } catch (const Error& e) { return std::fprintf(stderr, "train_loop: %s\n", e.what()), 1; }
}
