// The program's frame: exit codes and what errors say.
#include "program.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <new>
#include <set>
#include <stdexcept>
#include <string>

#include "command.hpp"
#include "completion.hpp"
#include "data/fixture.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "version.hpp"

using namespace minivit;
using namespace minivit::cli;

TEST_CASE("exit codes: 0 done, 1 failed, 2 wrong settings, or what the program says") {
  CHECK(run_program("minivit test", [] { return 0; }) == 0);
  CHECK(run_program("minivit test", [] { return 3; }) == 3);
  CHECK(run_program("minivit test", []() -> int { throw ConfigError("settings"); }) == 2);
  CHECK(run_program("minivit test", []() -> int { throw FileError("file"); }) == 1);
  CHECK(run_program("minivit test", []() -> int { throw std::runtime_error("any"); }) == 1);
  CHECK(run_program("minivit test", []() -> int { throw std::bad_alloc(); }) == 1);
}

TEST_CASE("every subcommand has a name of its own and one line that says what it does") {
  std::set<std::string> names;
  for (const Command* command : commands()) {
    CAPTURE(command->name);
    CHECK(names.insert(command->name).second);
    CHECK(find_command(command->name) == command);
    const std::string summary = command->summary;
    CHECK(summary.ends_with('.'));
    CHECK(summary.size() < 100);
    CHECK(summary.find('\n') == std::string::npos);
  }
  CHECK(find_command("nonsense") == nullptr);
  CHECK(find_command("") == nullptr);
}

TEST_CASE("the completion names all subcommands, options and settings") {
  const std::string script = bash_completion();
  for (const Command* command : commands())
    CHECK(script.find(std::string("    ") + command->name + ")\n") != std::string::npos);
  for (const char* text : {"--multirun", "training.lr=", "model.preset) words='tiny small base large mini'"})
    CHECK(script.find(text) != std::string::npos);
}

TEST_CASE("the version names instruction set, threads and libraries") {
  const std::string text = version_text();
  CHECK(text.starts_with("minivit " MINIVIT_VERSION "\n"));
  CHECK(text.find(kInstructionSet) != std::string::npos);
  CHECK(text.find("libraries: Eigen 3.") != std::string::npos);
}

TEST_CASE("a folder with anything else in it is not replaced") {
  const fixture::TemporaryFolder folder;
  CHECK(replaceable(folder.path() / "none", {"a"}));
  CHECK(replaceable(folder.path(), {"a"}));
  io::write_file_atomically(folder.path() / "a", "");
  CHECK(replaceable(folder.path(), {"a", "b"}));
  io::write_file_atomically(folder.path() / "mine", "");
  CHECK_FALSE(replaceable(folder.path(), {"a", "b"}));
}
