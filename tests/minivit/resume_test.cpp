// Runs that go on: learning rates of a run that is made longer, settings that may change.
#include "resume.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/file.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

/// A run folder of ten epochs.
struct Folder {
  fixture::TemporaryFolder folder;
  std::filesystem::path run = folder.path();

  Folder() {
    const std::vector<std::string_view> given{"data.train=photos", "training.epochs=10"};
    std::ofstream(run / "config.yaml") << TrainConfig::from(given).yaml();
    std::ofstream(run / "overrides.yaml") << "- \"data.train=photos\"\n- \"training.epochs=10\"\n";
  }
  ResumedRun with(std::vector<std::string> overrides) const { return resumed_run(run, overrides); }
  std::string complaint(const char* text) const {
    return message_of<ConfigError>([&] { with({text}); });
  }
};

}  // namespace

TEST_CASE("a run goes on with the command that it began with") {
  const Folder trained;
  const std::vector<std::string> none;
  CHECK(message_of<ConfigError>([&] { resumed_run(trained.run, none, Task::pretrain); }) ==
        str_cat(trained.run.string(),
                ": is a run of minivit train; to go on with it: minivit train --resume ",
                trained.run.string()));
  const std::vector<Assignment> given{{"data.train", "photos", {}}, {"pretrain.mask", "0.6", {}}};
  std::ofstream(trained.run / "config.yaml") << TrainConfig::from(given, false, Task::pretrain).yaml();
  CHECK(resumed_run(trained.run, none, Task::pretrain).config.pretrain.mask == 0.6);
  CHECK(message_of<ConfigError>([&] { resumed_run(trained.run, none); }).find("minivit pretrain --resume") !=
        std::string::npos);
}

TEST_CASE("two schedules begin in the same way if they are constant, or nothing is done") {
  const CosineSchedule short_one{.peak = 0.1, .warmup = 2, .total = 10, .last = 0},
      long_one{.peak = 0.1, .warmup = 2, .total = 20, .last = 0};
  CHECK(same_start(short_one, long_one, 0));
  CHECK(same_start(short_one, long_one, 3));  // two of warm-up, and the highest one
  CHECK_FALSE(same_start(short_one, long_one, 4));
  const CosineSchedule constant{.peak = 0.1, .total = 10, .last = 0.1},
      longer{.peak = 0.1, .total = 20, .last = 0.1};
  CHECK(same_start(constant, longer, 10));
  CHECK(explain_length("r", constant, longer, 5, 10, 10).at(0).find("to the bit") != std::string::npos);
  const std::vector<std::string> lines = explain_length("r", short_one, long_one, 5, 10, 10);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with(
      "training.epochs is now 10, it was 5: the learning rate goes on as that of a run of 10"));
  CHECK(lines[1].ends_with("minivit train --config r/config.yaml"));
}

TEST_CASE_FIXTURE(Folder, "what may change when a run goes on") {
  CHECK(with({}).config.training.epochs == 10);
  CHECK(with({"training.time_limit=5"}).config.training.time_limit == 5);
  const ResumedRun longer = with({"training.epochs=20"});
  CHECK(longer.epochs_before == 10);
  CHECK(longer.config.training.epochs == 20);
  CHECK(longer.overrides == std::vector<std::string>{"data.train=photos", "training.epochs=20"});
  longer.write(run);
  const ResumedRun again = with({});
  CHECK(again.epochs_before == 20);
  CHECK(again.overrides == longer.overrides);
  CHECK(complaint("training.lr=1").starts_with("training.lr: a run goes on as it began"));
  CHECK(complaint("~training.epochs").find("write how many epochs") != std::string::npos);
  CHECK(message_of<FileError>([&] { resumed_run(run / "none", {}); }).find("is no run folder") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Folder, "the folder that --resume names") {
  std::vector<std::string> overrides{"output.dir=" + run.string(), "output.multirun=nowhere",
                                     "log.curves=no"};
  CHECK(resumed_folder("some/where", overrides) == "some/where");
  CHECK(overrides.size() == 3);
  CHECK(resumed_folder("latest", overrides) == run);
  CHECK(overrides == std::vector<std::string>{"log.curves=no"});
  overrides = {"output.dir=nowhere", "output.multirun=nothing"};
  CHECK(message_of<ConfigError>([&] { resumed_folder("latest", overrides); }) ==
        "--resume latest: no runs in nowhere and nothing");
}
