// The lines that a training begins and ends with, and the time it says to take.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "class_results.hpp"
#include "train_closing.hpp"
#include "train_opening.hpp"
#include "train_progress.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

/// Two classes of photos of which nothing has to be said with a pretrained model.
DataFacts two_classes() {
  return {.classes = {"cat", "dog"},
          .train = {3000, 3200},
          .val = {300, 320},
          .smallest = {180, 240},
          .median = {640, 480},
          .largest = {1600, 1200},
          .suffixes = {{".jpg", 6800}, {".png", 20}},
          .own_val = false};
}

TrainConfig of_photos() {
  TrainConfig c;
  c.data.train = "photos";
  c.model.image_width = c.model.image_height = 224;
  return c;
}

bool says(const std::vector<std::string>& lines, const std::string& text) {
  return std::ranges::any_of(lines, [&](const std::string& l) { return l.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("training begins with its images, its model and its steps") {
  const auto lines = opening_lines(of_photos(), two_classes(),
                                   {.batches = 193, .parameters = 5'400'000, .trained = 5'400'000});
  CHECK(says(lines, "6200 for training, 620 for validation (photos, of each class 20 % for validation)"));
  CHECK(says(lines, "2: cat (3300), dog (3520)"));
  CHECK(says(lines, "180x240 to 1600x1200 pixels, in the middle 640x480; 6800 .jpg, 20 .png"));
  CHECK(says(lines, "mini: 5.40 million weights, images of 224x224 in patches of 16"));
  CHECK(says(lines, "10 epochs of 193 steps of 32 images"));
}

TEST_CASE("of many classes the smallest and the largest are named") {
  DataFacts facts = two_classes();
  facts.classes.clear(), facts.train.clear(), facts.val.clear();
  for (std::size_t i = 0; i < 100; ++i) {
    facts.classes.push_back("c" + std::to_string(i));
    facts.train.push_back(100 + i), facts.val.push_back(10);
  }
  const auto lines = opening_lines(of_photos(), facts, {.batches = 1, .parameters = 1, .trained = 1});
  CHECK(says(
      lines,
      "100: c0 (110), c1 (111), c2 (112), the smallest, … c97 (207), c98 (208), c99 (209), the largest"));
}

TEST_CASE("what fits is not talked about") { CHECK(advice_lines(of_photos(), two_classes()).empty()); }

TEST_CASE("sizes and counts that do not fit are said, with what to do") {
  const TrainConfig photos = of_photos();
  DataFacts facts = two_classes();
  facts.smallest = facts.median = facts.largest = {8, 8};
  CHECK(says(advice_lines(photos, facts),
             "8x8 pixels and are enlarged to 224x224, which takes time and adds nothing; better "
             "model.image_size=16 model.patch_size=4"));
  TrainConfig fine_tuned = photos;
  fine_tuned.pretrained = "vit-small";  // it has its size from what it was trained on
  CHECK(advice_lines(fine_tuned, facts).empty());

  facts = two_classes();
  facts.val = {1, 1};
  CHECK(says(advice_lines(photos, facts), "the validation accuracy is of 2 images, so one image is 50 %"));
  facts.val = {2, 0}, facts.own_val = true;
  CHECK(says(advice_lines(photos, facts), "no validation images of 1 class: dog"));
  CHECK(says(advice_lines(photos, facts), "put more into data.val"));

  facts = two_classes();
  facts.train = {6000, 6};
  CHECK(says(advice_lines(photos, facts), "fewer than ten training images of 1 class: dog (6)"));
  CHECK(says(advice_lines(photos, facts), "\"cat\" has 1000 times as many images as \"dog\""));
  facts.train = {12, 12};
  CHECK(
      says(advice_lines(photos, facts), "an epoch is one step: training.batch_size is 32, and there are 24"));
  CHECK(says(advice_lines(photos, facts), "24 images are few to learn to see from"));
}

TEST_CASE("answers are counted by class") {
  ClassResults results(3);
  Tensor logits = Tensor::zeros({5, 3});
  const float values[] = {3, 1, 0, 0, 2, 1, 5, 1, 0, 1, 1, 0, 0, 0, 4};  // answers 0 1 0 0 2
  std::ranges::copy(values, logits.data());
  const int labels[] = {0, 1, 1, 1, 0};
  results.add(logits, labels);
  CHECK(results.images() == 5);
  CHECK(results.right() == 2);
  const auto rows = results.rows();
  CHECK(rows[0].recall() == doctest::Approx(0.5));
  CHECK(rows[0].precision() == doctest::Approx(1.0 / 3));
  CHECK(rows[0].taken_for == 2);
  CHECK(rows[1].recall() == doctest::Approx(1.0 / 3));
  CHECK(rows[1].taken_for == 0);
  CHECK(rows[1].times == 2);
  CHECK(rows[2].images == 0);
  CHECK(rows[2].recall() == 0);

  const std::vector<std::string> names{"cat", "dog, big", "owl"};
  CHECK(results.csv(names) ==
        "class,images,right,recall,precision,taken_for,times\n"
        "cat,2,1,0.5,0.3333333333333333,owl,1\n"
        "\"dog, big\",3,1,0.3333333333333333,1,cat,2\n"
        "owl,0,0,0,0,,0\n");
  const auto lines = result_lines(results, names);
  CHECK(lines.front().starts_with("class     images  right  recall  precision  mostly taken for"));
  CHECK(says(lines, "dog, big       3      1   0.333      1.000  cat (2)"));
  CHECK(says(lines, "2 of 5 validation images right, 0.4000; always answering \"dog, big\" gives 0.6000"));
  CHECK_THROWS_AS(results.add(Tensor::zeros({1, 2}), std::span(labels, 1)), ShapeError);
}

TEST_CASE("of many classes the worst are shown") {
  ClassResults results(30);
  for (int label = 0; label < 30; ++label) {
    Tensor logits = Tensor::zeros({1, 30});
    logits.data()[label == 7 ? 8 : label] = 1;
    results.add(logits, std::span(&label, 1));
  }
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) names.push_back("c" + std::to_string(i));
  const auto lines = results.table(names);
  CHECK(lines.size() == 12);
  CHECK(lines[1].starts_with("c7 "));
  CHECK(lines.back() == "(the worst 10 of 30 classes; all are in per_class.csv)");
}

TEST_CASE("the time that is left is that of all epochs, validation included") {
  TimeLeft left(100, 20);
  CHECK(left.seconds(0, 10, 0, 0) < 0);  // nothing is known yet
  left.trained(0, 3, 1.5);               // half a second a batch
  CHECK(left.seconds(0, 10, 0, 0) == doctest::Approx(10 * (100 * 0.5 + 20 * 0.5 / 3)));
  left.validated(4, 4);
  CHECK(left.seconds(0, 10, 40, 0) == doctest::Approx(10 * (100 * 0.5 + 20 * 1) - 40 * 0.5));
  CHECK(left.seconds(9, 10, 100, 15) == doctest::Approx(5));
}

TEST_CASE("the time that is left knows that epochs with smaller images are shorter") {
  TimeLeft left(100, 20, [](std::int64_t epoch) { return epoch < 4 ? 0.25 : 1.0; });
  left.trained(0, 10, 1);  // a tenth of a second a batch, later four of them
  left.validated(4, 2);
  CHECK(left.seconds(0, 10, 10, 0) == doctest::Approx(390 * 0.1 + 600 * 0.4 + 200 * 0.5));
  CHECK(left.seconds(4, 10, 0, 0) == doctest::Approx(600 * 0.4 + 120 * 0.5));
}

TEST_CASE("commands that are shown can be pasted") {
  CHECK(shell_word("outputs/2026-11-29/10-00-00") == "outputs/2026-11-29/10-00-00");
  CHECK(shell_word("my photos/it's") == "'my photos/it'\\''s'");
  CHECK(shell_word("-x") == "'-x'");
  CHECK(shell_word("").size() == 2);
  CHECK(short_path(std::filesystem::current_path() / "outputs" / "1") == "outputs/1");
  CHECK(short_path("/somewhere/else") == "/somewhere/else");
  CHECK(next_lines("/a b/run")[1].find("minivit predict --run '/a b/run' IMAGE") != std::string::npos);
}
