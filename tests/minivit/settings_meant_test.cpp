// What is suggested for names of other programs and for misspelled ones.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "overrides.hpp"
#include "synonyms.hpp"
#include "train_config.hpp"

using namespace minivit::cli;

namespace {

std::string meant(const char* name) {
  TrainConfig c;
  return c.settings().meant(name);
}

}  // namespace

TEST_CASE("names of PyTorch, timm, ultralytics, Keras and transformers") {
  const std::pair<const char*, const char*> known[] = {
      {"learning_rate", "training.lr"},
      {"lr", "training.lr"},
      {"lr0", "training.lr"},
      {"training.learning_rate", "training.lr"},
      {"weight-decay", "training.weight_decay"},
      {"wd", "training.weight_decay"},
      {"imgsz", "model.image_size"},
      {"img-size", "model.image_size"},
      {"bs", "training.batch_size"},
      {"batch", "training.batch_size"},
      {"--batch-size", "training.batch_size"},
      {"per_device_train_batch_size", "training.batch_size"},
      {"epochs", "training.epochs"},
      {"num_train_epochs", "training.epochs"},
      {"adam", "training.optimizer=adamw"},
      {"opt", "training.optimizer"},
      {"workers", "data.workers"},
      {"data", "data.train"},
      {"drop_path_rate", "model.drop_path"},
      {"class_weight", "training.class_weights"},
      {"max_grad_norm", "training.clip_norm"},
      {"random_state", "training.seed"},
      {"MODEL.DROPOUT", "model.dropout"},
      // A section that is wrong or forgotten, a letter that is.
      {"model.lr", "training.lr"},
      {"trainng.epochs", "training.epochs"},
      {"epoch", "training.epochs"},
      {"seeed", "training.seed"}};
  for (const auto& pair : known) {
    CAPTURE(pair.first);
    CHECK(meant(pair.first) == pair.second);
  }
  for (const char* word : {"", "-", "xyzzy_quux", "a", "."}) CHECK(meant(word).empty());
  CHECK(is_advice(meant("device")));
}

TEST_CASE("every synonym means a setting that there is, or is a sentence; none is said twice") {
  TrainConfig c;
  Settings settings = c.settings();
  int words = 0;
  for_each_synonym([&](std::string_view word, std::string_view meaning) {
    CAPTURE(word);
    ++words;
    CHECK(plain_spelling(word) == word);
    CHECK(synonym_of(word) == meaning);  // not another one further up
    if (is_advice(meaning)) return;
    CHECK(settings.contains(meaning.substr(0, meaning.find('='))));
    if (meaning.find('=') != std::string_view::npos) settings.apply(meaning);
    CHECK_FALSE(settings.contains(word));
  });
  CHECK(words > 250);
}

TEST_CASE("an option that there is not") {
  TrainConfig c;
  const Settings s = c.settings();
  CHECK(setting_for_option("--lr", "0.1", s) == "did you mean training.lr=0.1?");
  CHECK(setting_for_option("--lr=0.1", "x", s) == "did you mean training.lr=0.1?");
  CHECK(setting_for_option("--data", "photos", s) == "did you mean data.train=photos?");
  CHECK(setting_for_option("--adam", "", s) == "did you mean training.optimizer=adamw?");
  CHECK(setting_for_option("--epochs", "", s) == "did you mean training.epochs=…?");
  CHECK(setting_for_option("--training.lr", "1", s) == "did you mean training.lr=1?");
  CHECK(setting_for_option("--device", "cuda", s).starts_with("minivit computes on the CPU"));
  for (const char* option : {"--resum", "--xyzzy", "-", "--", "--=", ""})
    CHECK(setting_for_option(option, "1", s).empty());
}
