// Progress of an epoch on the terminal, and the description of the machine.
#include "progress.hpp"

#include <doctest/doctest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "machine.hpp"
#include "minivit/core/file.hpp"
#include "run_log.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

const Progress kHalf{.epoch = 3,
                     .epochs = 50,
                     .batches = 20,
                     .total = 40,
                     .loss = 1.23456,
                     .accuracy = 0.6125,
                     .images_per_second = 812.4,
                     .seconds_left = 75};

/// Characters, not bytes.
std::size_t characters(const std::string& text) {
  std::size_t n = 0;
  for (const char c : text) n += (c & 0xC0) != 0x80;
  return n;
}

}  // namespace

TEST_CASE("the progress line has what fits") {
  CHECK(progress_line(kHalf, {.interactive = true, .width = 100}) ==
        "epoch 3/50 ############............  50%  loss 1.2346  acc 0.613  812 images/s  1:15 left");
  CHECK(progress_line(kHalf, {.interactive = true, .width = 81}) ==
        "epoch 3/50 #######........  50%  loss 1.2346  acc 0.613  812 images/s  1:15 left");
  CHECK(progress_line(kHalf, {.interactive = true, .width = 50}) ==
        "epoch 3/50 ####....  50%  loss 1.2346  acc 0.613");
  CHECK(progress_line(kHalf, {.interactive = true, .width = 20}) == "epoch 3/50 ####....");
  CHECK(progress_line(kHalf, {.interactive = false, .width = 20}) ==
        "epoch 3/50  50%  loss 1.2346  acc 0.613  812 images/s  1:15 left");
  for (int width = 1; width < 120; ++width)
    for (const bool utf8 : {false, true}) {
      CAPTURE(width);
      CHECK(characters(progress_line(kHalf, {.interactive = true, .utf8 = utf8, .width = width})) <
            static_cast<std::size_t>(width));
    }
  CHECK(bar_text(0.5625, 2, true) == "\u2588\u258f");  // nine eighths
  CHECK(bar_text(1.0, 2, true) == "\u2588\u2588");
  CHECK(bar_text(0.0, 2, true) == "  ");
  CHECK(bar_text(7.0, 2, false) == "##");
  CHECK(clock_text(3725) == "1:02:05");
  CHECK(clock_text(-1) == "0:00");
}

TEST_CASE("the rate follows a change and forgets") {
  Rate rate;
  CHECK(rate.value() == 0.0);
  for (int i = 0; i < 100; ++i) rate.add(50, 0.5);
  CHECK(rate.value() == doctest::Approx(100));
  for (int i = 0; i < 20; ++i) rate.add(100, 0.5);  // ten seconds of double speed: half of the way
  CHECK(rate.value() == doctest::Approx(150).epsilon(0.03));
}

TEST_CASE("a row stands below its header, with and without colors") {
  const EpochRow row{1, 2.31, 0.1, 1.5, 0.875, 1, 3e-4, 12.34, 812.3, true};
  const std::string plain = epoch_line(row, true, false);
  CHECK(plain == "    1      2.3100  0.1000     1.5000  0.8750*  1.0000  3.00e-04     12.3       812");
  CHECK(epoch_line(row, true, true) == "\x1b[1m" + plain + "\x1b[0m");
  const std::string header = epoch_header(true);
  CHECK(header.find("loss", 9) + 4 == plain.find("2.3100") + 6);
  CHECK(header.find("images/s") + 8 == plain.size());
}

TEST_CASE("without labels there are losses alone") {
  const EpochRow row{.epoch = 2, .train_loss = 0.5, .val_loss = 0.25, .lr = 1e-3, .seconds = 3, .best = true};
  CHECK(loss_line(row, false).size() == loss_header().size());
  CHECK(loss_line(row, false).find("0.2500*") != std::string::npos);
  CHECK(loss_line(row, true).starts_with("\x1b[1m"));
  Progress p = kHalf;
  p.accuracy.reset();
  CHECK(progress_line(p, Terminal{}).find("acc") == std::string::npos);
}

TEST_CASE("on a terminal the progress line is written over, and nothing of it is left") {
  const fixture::TemporaryFolder folder;
  int screen = -1;
  winsize size{24, 60, 0, 0};
  std::fflush(stdout);  // the child must not write it once more
  const pid_t child = ::forkpty(&screen, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    ::setenv("LC_ALL", "C.UTF-8", 1);
    {
      const Terminal t = Terminal::of_stdout();
      if (!t.interactive || !t.color || !t.utf8 || t.width != 60 || terminal_width() != 60) ::_exit(2);
      RunLog log(folder.path() / "log");
      log.line("first");
      log.progress("working");
      log.progress("too soon");
      log.line("second", "\x1b[1msecond\x1b[0m");
      ::usleep(110'000);
      log.progress("working again");
      log.note("for the file");
    }
    ::_exit(0);
  }
  std::string shown;
  char buffer[1024];
  for (ssize_t n; (n = ::read(screen, buffer, sizeof buffer)) > 0;)
    shown.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(screen);
  CHECK(status == 0);
  CHECK(shown == "first\r\n\rworking\x1b[K\r\x1b[K\x1b[1msecond\x1b[0m\r\n\rworking again\x1b[K\r\x1b[K");
  CHECK(io::read_file(folder.path() / "log", 1000) == "first\nsecond\nfor the file\n");
}

TEST_CASE("the machine") {
  const Machine m = this_machine();
  CHECK(m.cores >= 1);
  CHECK(m.memory_mb > 100);
  CHECK_FALSE(m.cpu.empty());
  CHECK(m.os.starts_with("Linux"));
  CHECK(peak_memory_mb() > 1);
  CHECK(peak_memory_mb() < static_cast<double>(m.memory_mb));
}

TEST_CASE("what is not known or says nothing is left out") {
  Progress p = kHalf;
  p.images_per_second = 0;
  CHECK(progress_line(p, {.interactive = false}) == "epoch 3/50  50%  loss 1.2346  acc 0.613  1:15 left");
  p.seconds_left = -1, p.validation = true;
  CHECK(progress_line(p, {.interactive = false}) == "validation 3/50  50%  loss 1.2346  acc 0.613");
  CHECK(rate_text(812.4) == "812");
  CHECK(rate_text(4.23) == "4.2");
  CHECK(rate_text(0.034) == "0.03");

  const EpochRow slow{1, 2.31, 0.1, 1.5, 0.875, 1, 3e-4, 12.34, 0, false};
  CHECK(epoch_line(slow, false, false) ==
        "    1      2.3100  0.1000     1.5000  0.8750   3.00e-04     12.3         -");
  const std::string header = epoch_header(false);
  CHECK(header.find("top-5") == std::string::npos);
  CHECK(header.find("images/s") + 8 == epoch_line(slow, false, false).size());
}
