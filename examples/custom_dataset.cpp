// A data set that is no folder of images: a sheet with all digits on it, cut into tiles as they are asked
// for.
//   custom_dataset examples/data/digits.png examples/data/digits.labels.txt
// Any type with these four functions can be loaded, split and trained on: a database, an archive, a
// simulation.
#include <cstdio>
#include <fstream>
#include <minivit/vit.hpp>
#include <numeric>
#include <optional>

using namespace minivit;

class DigitSheet {
 public:
  DigitSheet(const char* sheet, const char* labels) : sheet_(decode_image(sheet)) {
    std::ifstream file(labels);
    for (char c; file.get(c);)
      if (c >= '0' && c <= '9') labels_.push_back(c - '0');
    if (sheet_.width != kTile * kColumns || labels_.empty())
      throw FileError(str_cat(sheet, ": is no sheet of digits, or ", labels, " has no labels"));
  }

  std::size_t size() const { return labels_.size(); }
  Shape sample_shape() const { return {1, kTile, kTile}; }  // gray
  std::string name(std::size_t i) const { return str_cat("digit ", i); }

  /// Writes the pixels of digit i, -1 to 1, and returns its label. Several threads call it at once. What is
  /// random has to be drawn from `rng`: then every run, with any number of threads, sees the same.
  int load(std::size_t i, Rng& rng, float* out) const {
    const int column = static_cast<int>(i) % kColumns, row = static_cast<int>(i) / kColumns;
    const float brightness = 0.9f + 0.2f * rng.uniform();
    for (int y = 0; y < kTile; ++y)
      for (int x = 0; x < kTile; ++x) {
        const std::uint8_t* pixel = sheet_.row(row * kTile + y) + (column * kTile + x) * sheet_.channels;
        *out++ = brightness * static_cast<float>(*pixel) / 127.5f - 1.0f;
      }
    return labels_[i];
  }

 private:
  static constexpr int kTile = 8, kColumns = 64;
  Image sheet_;
  std::vector<int> labels_;
};
static_assert(Dataset<DigitSheet>);

int train(const char* sheet, const char* labels) {
  const DigitSheet digits(sheet, labels);
  std::vector<std::size_t> all(digits.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const std::size_t kTest = 360;  // the last ones, by other writers
  const Subset train_set(digits, {all.begin(), all.end() - kTest}),
      test_set(digits, {all.end() - kTest, all.end()});
  DataLoader train_loader(train_set, {.batch_size = 32, .shuffle = true}), test_loader(test_set);

  manual_seed(0);
  VisionTransformer model({.image_height = 8,
                           .image_width = 8,
                           .patch_size = 2,
                           .channels = 1,
                           .num_classes = 10,
                           .embedding_dim = 48,
                           .num_layers = 3,
                           .num_heads = 4,
                           .mlp_ratio = 2,
                           .pooling = Pooling::mean,
                           .class_token = false});
  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {});
  const CosineSchedule schedule{.peak = 3e-3, .warmup = 40, .total = 10 * 45};
  std::optional<Ema> no_average;
  for (std::uint64_t epoch = 0; epoch < 10; ++epoch) {
    const Metrics m = train_epoch(model, train_loader.epoch(epoch), parameters, optimizer, schedule,
                                  no_average, {}, [](const StepReport&) { return true; });
    std::printf("epoch %2d  loss %.4f\n", static_cast<int>(epoch) + 1, m.loss());
  }
  const Metrics m = evaluate(model, test_loader.epoch(0));
  std::printf("%lld of %lld digits of other writers are right\n", static_cast<long long>(m.correct),
              static_cast<long long>(m.samples));
  return m.top1() > 0.8 ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: custom_dataset SHEET LABELS\n"), 2;
  try {
    return train(argv[1], argv[2]);
  } catch (const Error& e) { return std::fprintf(stderr, "custom_dataset: %s\n", e.what()), 1; }
}
