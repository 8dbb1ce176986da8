// A training that is stopped anywhere and goes on ends with the same bits.
#include "minivit/io/checkpoint.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/train/loop.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

constexpr int kClasses = 3, kEpochs = 3;

TensorDataset noise() {
  Tensor images = Tensor::empty({23, 3, 6, 6});
  std::vector<int> labels;
  Rng rng(5);
  for (float& x : images.values()) x = rng.normal();
  for (int i = 0; i < 23; ++i) labels.push_back(static_cast<int>(rng.below(kClasses)));
  return {images, labels};
}

/// A small model; with adapters if they have a rank.
VisionTransformer fresh(std::int64_t lora_rank) {
  manual_seed(3);
  VisionTransformer net({.image_height = 6,
                         .image_width = 6,
                         .patch_size = 2,
                         .num_classes = kClasses,
                         .embedding_dim = 8,
                         .num_layers = 2,
                         .num_heads = 2,
                         .mlp_ratio = 2,
                         .input_dropout = 0.1f,
                         .attention_dropout = 0.1f,
                         .dropout = 0.1f,
                         .drop_path = 0.1f});
  prepare_fine_tuning(net, {.lora_rank = lora_rank});
  return net;
}

/// A training with all that can make a difference: dropout, drop path, EMA, accumulation, shuffling.
template <class Optimizer, std::int64_t kLoraRank = 0>
struct Run {
  TensorDataset data = noise();
  VisionTransformer model = fresh(kLoraRank);
  ParameterArena parameters = flatten(model);
  Optimizer optimizer{parameters, {}};
  std::optional<Ema> ema{std::in_place, parameters, 0.9f};
  DataLoader<TensorDataset> loader{data, {.batch_size = 4, .shuffle = true, .seed = 9, .workers = 1}};
  TrainingPosition state;
  std::vector<double> losses;  // of every epoch

  /// Goes on from `state` until step `last`, or to the end.
  void train(std::int64_t last = 1000) {
    while (state.epoch < kEpochs) {
      const Metrics m = train_epoch(
          model, loader.epoch(static_cast<std::uint64_t>(state.epoch), static_cast<std::size_t>(state.batch)),
          parameters, optimizer, [](std::int64_t step) { return 0.01 / static_cast<double>(step + 1); }, ema,
          {.objective = {.label_smoothing = 0.1f},
           .accumulate = 2,
           .seed = 4,
           .batches_done = state.batch,
           .metrics_done = state.trained},
          [&](const StepReport& r) {
            state.batch = r.batches, state.step = r.step + 1, state.trained = *r.metrics;
            return state.step < last;
          });
      if (state.step >= last) return;
      losses.push_back(m.loss());
      ++state.epoch, state.batch = 0, state.trained = {};
    }
  }
  void save(const fs::path& folder) {
    save_checkpoint(folder, model, {"a", "b", "c"}, Preprocess{.height = 6, .width = 6}, state, parameters,
                    optimizer, ema);
  }
  void load(const fs::path& folder) { state = load_checkpoint(folder, model, parameters, optimizer, ema); }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.numel() == b.numel() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0;
}

template <class Optimizer, std::int64_t kLoraRank = 0>
void check_resuming() {
  const fixture::TemporaryFolder folder;
  auto whole = std::make_unique<Run<Optimizer, kLoraRank>>();
  whole->train();
  REQUIRE(whole->state.step == 9);  // 6 batches an epoch, two a step
  for (std::int64_t stop = 1; stop < 9; ++stop) {
    CAPTURE(stop);
    auto first = std::make_unique<Run<Optimizer, kLoraRank>>();
    first->train(stop);
    const Tensor before = first->parameters.values.clone();
    first->save(folder.path() / "last");
    CHECK(same_bits(before, first->parameters.values));  // saving changes nothing
    auto second = std::make_unique<Run<Optimizer, kLoraRank>>();
    second->load(folder.path() / "last");
    second->train();
    CHECK(same_bits(second->parameters.values, whole->parameters.values));
    CHECK(same_bits(second->ema->average(), whole->ema->average()));
    for (std::size_t i = 0; i < whole->optimizer.state().size(); ++i)
      CHECK(same_bits(second->optimizer.state()[i].tensor, whole->optimizer.state()[i].tensor));
    CHECK(second->losses.back() == whole->losses.back());
    CHECK(second->state.step == 9);
  }
}

}  // namespace

TEST_CASE("resumed after any step: AdamW") { check_resuming<AdamW>(); }
TEST_CASE("resumed after any step: SGD") { check_resuming<Sgd>(); }

TEST_CASE("resumed after any step: adapters") { check_resuming<AdamW, 2>(); }

TEST_CASE("a checkpoint of a model with adapters is a model folder like any other") {
  const fixture::TemporaryFolder folder;
  const fs::path last = folder.path() / "last";
  Run<AdamW, 2> run;
  run.train(5);
  run.save(last);
  const NoGrad values_only;
  const UseAverage average(run.ema);  // it is what is saved
  const Tensor images = Tensor::full({2, 3, 6, 6}, 0.5f);
  const ModelBundle loaded = load_bundle(last);
  CHECK_FALSE(has_lora(loaded.net));
  CHECK(same_bits(loaded.net(images).value(), run.model(images).value()));
  CHECK_FALSE(same_bits(loaded.net.encoder.blocks[0].attn.qkv.weight.value,
                        run.model.encoder.blocks[0].attn.qkv.weight.value));
}

TEST_CASE("a checkpoint of before, with the adapters in the model's file, is read") {
  const fixture::TemporaryFolder folder;
  const fs::path last = folder.path() / "last";
  Run<AdamW, 2> run, other;
  run.train(5);
  run.save(last);
  save_weights(last / "model.safetensors", run.model);
  const fs::path state = last / "training_state.safetensors";
  SafetensorsWriter writer;
  const SafetensorsFile file(state);
  for (const auto& [name, text] : file.metadata()) writer.set_metadata(name, text);
  for (const SafetensorsInfo& t : file.tensors())
    if (!t.name.starts_with("adapted.")) writer.add(std::string(t.name), file.tensor(t.name));
  writer.save(state);
  other.load(last);
  other.train();
  Run<AdamW, 2> whole;
  whole.train();
  CHECK(same_bits(other.parameters.values, whole.parameters.values));
}

TEST_CASE("every number of a position and every note come back") {
  const fixture::TemporaryFolder folder;
  Run<AdamW> run;
  run.state = {.epoch = 3,
               .batch = 7,
               .step = 123456789012,
               .trained = {.samples = 11, .correct = 5, .correct5 = 6, .loss_sum = 0.1 + 0.2},
               .notes = {{"data", "23 images, \"names\" 17"}, {"empty", ""}}};
  run.save(folder.path() / "last");
  Run<AdamW> other;
  other.load(folder.path() / "last");
  const TrainingPosition &a = run.state, &b = other.state;
  CHECK(a.epoch == b.epoch);
  CHECK(a.batch == b.batch);
  CHECK(a.step == b.step);
  CHECK(a.trained.samples == b.trained.samples);
  CHECK(a.trained.correct == b.trained.correct);
  CHECK(a.trained.correct5 == b.trained.correct5);
  CHECK(a.trained.loss_sum == b.trained.loss_sum);
  CHECK(a.notes == b.notes);
}

TEST_CASE("a checkpoint of another training, a damaged one and none are refused") {
  const fixture::TemporaryFolder folder;
  const fs::path last = folder.path() / "last", file = last / "training_state.safetensors";
  Run<Sgd> sgd;
  const auto refused = [&] { return message_of<FileError>([&] { sgd.load(last); }); };
  CHECK(refused().find("training_state.safetensors") != std::string::npos);
  Run<AdamW> adam;
  adam.save(last);
  CHECK(refused() == file.string() + ": holds 4 tensors, expected 3 for this optimizer and average");
  sgd.save(last);
  sgd.load(last);
  std::string bytes = read_file(file, 1 << 24);
  const std::string good = bytes;
  bytes.resize(bytes.size() / 2);
  write_file_atomically(file, bytes);
  CHECK(refused() != "nothing was thrown");
  std::string changed = good;
  changed.replace(changed.find("\"epoch\":\"0\""), 11, "\"epoch\":\"x\"");
  write_file_atomically(file, changed);
  CHECK(refused() == file.string() + ": epoch is missing or not as expected");
  changed = good;
  changed.replace(changed.find("\"epoch\":\"0\""), 11, "\"epocH\":\"0\"");
  write_file_atomically(file, changed);
  CHECK(refused() == file.string() + ": epoch is missing or not as expected");
}
