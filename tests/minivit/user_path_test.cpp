// Home folders in typed paths.
#include "user_path.hpp"

#include <doctest/doctest.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "train_config.hpp"

using namespace minivit::cli;

namespace {

/// HOME for one test.
struct Home {
  std::string before;
  explicit Home(const char* home) : before(std::getenv("HOME") ? std::getenv("HOME") : "") {
    ::setenv("HOME", home, 1);
  }
  ~Home() { before.empty() ? ::unsetenv("HOME") : ::setenv("HOME", before.c_str(), 1); }
};

}  // namespace

TEST_CASE("~ is the home folder at the beginning of a path, and nowhere else") {
  const Home home("/home/me");
  CHECK(expand_home("~") == "/home/me");
  CHECK(expand_home("~/photos") == "/home/me/photos");
  for (const char* path : {"", "photos", "a~", "./~/photos", "/~/x", "~nobody-has-this-name/photos"})
    CHECK(expand_home(path) == path);
  if (const passwd* const root = ::getpwuid(0))
    CHECK(expand_home("~" + std::string(root->pw_name) + "/x") == std::string(root->pw_dir) + "/x");
}

TEST_CASE("every setting that is a path knows ~") {
  const Home home("/home/me");
  constexpr std::array<std::string_view, 6> assignments{"data.train=~/a",      "data.val=~/b",
                                                        "data.test=~/c",       "output.dir=~/d",
                                                        "output.multirun=~/e", "+notes.why=~/as it is"};
  const TrainConfig c = TrainConfig::from(assignments);
  CHECK(c.data.train == "/home/me/a");
  CHECK(c.data.val == "/home/me/b");
  CHECK(c.data.test == "/home/me/c");
  CHECK(c.output == "/home/me/d");
  CHECK(c.multirun == "/home/me/e");
  CHECK(c.notes[0].second == "~/as it is");
}

TEST_CASE("paths from the root on") {
  const std::string here = std::filesystem::current_path().native();
  CHECK(absolute_path("") == "");
  CHECK(absolute_path("photos") == here + "/photos");
  CHECK(absolute_path("photos/") == here + "/photos");
  CHECK(absolute_path("./a/../photos") == here + "/photos");
  CHECK(absolute_path("/photos/x") == "/photos/x");
  CHECK(absolute_path("/") == "/");
  CHECK(absolute_path("caf\xe9") == here + "/caf\xe9");
}
