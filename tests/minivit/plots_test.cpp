// The curves: a script for gnuplot, and pictures where there is one.
#include "plots.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/core/file.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "data/fixture.hpp"
#include "minivit/data/image.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

namespace {

/// A run folder, with a name that needs care, of some epochs.
struct Run {
  fixture::TemporaryFolder base;
  fs::path folder = base.path() / "it's a \"run\"; $(x) ü";

  explicit Run(int epochs, const std::string& bad = "1.5") {
    fs::create_directory(folder);
    std::string history =
        "epoch,train_loss,train_acc,val_loss,val_acc,val_top5,lr,seconds,images_per_second\n";
    for (int i = 1; i <= epochs; ++i)
      history += str_cat(i, ",2,0.1,", i == 2 ? bad : "1.5", ",0.", i % 10, ",0.9,1,1,1\n");
    io::write_file_atomically(folder / "training_history.csv", history);
    std::string rates = "step,lr\n";
    for (int i = 0; i < 5000 * epochs; ++i) rates += str_cat(i, ",0.001\n");
    io::write_file_atomically(folder / "learning_rates_per_step.csv", rates);
  }
};

}  // namespace

TEST_CASE("pictures of any number of epochs, and of a training that went wrong") {
  const bool gnuplot = std::system("gnuplot --version >/dev/null 2>&1") == 0;
  for (const int epochs : {0, 1, 2, 70}) {
    CAPTURE(epochs);
    Run run(epochs, epochs == 70 ? "nan" : "1e30");
    const Drawn drawn = draw_training_curves(run.folder);
    CAPTURE(drawn.why);
    CHECK(drawn.drawn == gnuplot);
    CHECK(fs::exists(run.folder / "training_curves.gnuplot"));
    int files = 0;
    for (const auto& entry : fs::directory_iterator(run.folder)) files += entry.exists();
    CHECK(files == (gnuplot ? 5 : 3));  // nothing hidden is left
    if (!gnuplot) continue;
    const Image picture = decode_image(run.folder / "training_curves.png");
    CHECK(picture.width == 1800);
    CHECK(picture.height == 540);
    CHECK(io::read_file(run.folder / "training_curves.svg", 1 << 24).find("</svg>") != std::string::npos);
  }
}

TEST_CASE("without labels there is no panel for the accuracy") {
  const Run run(2);
  io::write_file_atomically(
      run.folder / "training_history.csv",
      "epoch,train_loss,val_loss,lr,seconds,images_per_second\n1,2,1.5,1,1,1\n2,1,1.2,1,1,1\n");
  const Drawn drawn = draw_training_curves(run.folder);
  const std::string script = io::read_file(run.folder / "training_curves.gnuplot", 1 << 20);
  CHECK(script.find("accuracy") == std::string::npos);
  CHECK(script.find("layout 1,2") != std::string::npos);
  CHECK(drawn.drawn == (std::system("gnuplot --version >/dev/null 2>&1") == 0));
}

TEST_CASE("the script: every epoch, few of very many steps, the best") {
  const Run run(3);
  draw_training_curves(run.folder);
  const std::string script = io::read_file(run.folder / "training_curves.gnuplot", 1 << 24);
  CHECK(script.find("$train_loss << EOD\n1 2\n2 2\n3 2\nEOD\n") != std::string::npos);
  CHECK(script.find("$val_acc << EOD\n1 10\n2 20\n3 30\nEOD\n") != std::string::npos);
  CHECK(script.find("best: 30.00 % in epoch 3") != std::string::npos);
  CHECK(script.find("\n14999 0.001\nEOD") != std::string::npos);
  CHECK(script.size() < 60'000);
  CHECK(script.find(run.base.path().string()) == std::string::npos);  // the folder can be moved
}

TEST_CASE("without gnuplot the script stays; tables that are missing are an error") {
  const Run run(2);
  const std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
  ::setenv("PATH", "/nowhere", 1);
  const Drawn drawn = draw_training_curves(run.folder);
  ::setenv("PATH", path.c_str(), 1);
  CHECK_FALSE(drawn.drawn);
  CHECK(drawn.why.find("gnuplot") != std::string::npos);
  CHECK(fs::exists(run.folder / "training_curves.gnuplot"));
  fs::remove(run.folder / "training_history.csv");
  CHECK(message_of<FileError>([&] { draw_training_curves(run.folder); }).find("training_history.csv") !=
        std::string::npos);
}
