// Other programs: output, exit code, deadline.
#include "process.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace minivit::cli;

namespace {

struct Timed {
  ProcessResult result;
  double seconds;
};

/// Runs a script of the shell.
Timed run(const char* script, double seconds) {
  const std::vector<std::string> command{"sh", "-c", script};
  const auto begin = std::chrono::steady_clock::now();
  ProcessResult result = run_process(command, seconds);
  return {std::move(result), std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
}

}  // namespace

TEST_CASE("output of both kinds, and the exit code") {
  const ProcessResult result = run("echo out; echo err >&2; exit 7", 60).result;
  CHECK(result.output == "out\nerr\n");
  CHECK(result.code == 7);
  CHECK(result.error.empty());
}

TEST_CASE("in another folder") {
  const std::vector<std::string> command{"pwd"};
  CHECK(run_process(command, 60, "/").output == "/\n");
}

TEST_CASE("the deadline counts for a program that says nothing more") {
  for (const char* script : {"sleep 30 & sleep 30", "echo begun; exec >&- 2>&-; sleep 30"}) {
    CAPTURE(script);
    const Timed timed = run(script, 0.3);
    CHECK(timed.seconds < 10);
    CHECK(timed.result.code == -1);
    CHECK(timed.result.error == "sh took longer than 0.3 s");
  }
}

TEST_CASE("a program that closes its output and ends in time is waited for") {
  const ProcessResult result = run("echo said; exec >&- 2>&-; sleep 0.1; exit 3", 60).result;
  CHECK(result.output == "said\n");
  CHECK(result.code == 3);
}

TEST_CASE("a program that is killed, and one that is not there") {
  CHECK(run("kill -9 $$", 60).result.error == "sh was killed by signal 9");
  const std::vector<std::string> nothing{"no-such-program-anywhere"};
  const ProcessResult result = run_process(nothing, 60);
  CHECK(result.code != 0);
}
