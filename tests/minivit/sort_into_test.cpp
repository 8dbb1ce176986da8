// Images sorted into folders by class.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "sort_into.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

TEST_CASE("labels become names of folders, two labels never the same") {
  const fixture::TemporaryFolder base;
  const fs::path image = base.path() / "a.png", into = base.path() / "sorted";
  fixture::write(image, std::string("pixels"));
  const std::vector<std::string> labels{
      "n/a", "..", "", "n_a", "tench, Tinca tinca", "a\x1b\n", std::string(400, 'x'), "\xff", "n_a_0"};
  ImageSorter sorter(into, labels, false);
  for (std::size_t i = 0; i < labels.size(); ++i) sorter.put(image, i);
  CHECK(sorter.count() == labels.size());
  for (const char* name : {"n_a_0", "_.", "__2", "n_a_3", "tench, Tinca tinca", "a__", "__7", "n_a_0_8"})
    CHECK_MESSAGE(fs::exists(into / name / "a.png"), name);
  CHECK(fs::exists(into / std::string(200, 'x') / "a.png"));
  for (const auto& entry : fs::recursive_directory_iterator(base.path()))
    CHECK_MESSAGE(entry.path().filename().native().find("minivit") == std::string::npos, entry.path());
}

TEST_CASE("sorting overwrites nothing") {
  const fixture::TemporaryFolder base;
  const fs::path one = base.path() / "1" / "a.png", two = base.path() / "2" / "a.png",
                 into = base.path() / "sorted";
  fixture::write(one, std::string("one"));
  fixture::write(two, std::string("two"));
  fixture::write(into / "cat" / "a_2.png", std::string("not ours"));
  ImageSorter sorter(into, {"cat"}, false);
  for (int i = 0; i < 2; ++i) sorter.put(one, 0), sorter.put(two, 0);
  CHECK(io::read_file(into / "cat" / "a.png", 100) == "one");
  CHECK(io::read_file(into / "cat" / "a_2.png", 100) == "not ours");
  CHECK(io::read_file(into / "cat" / "a_3.png", 100) == "two");
  CHECK_FALSE(fs::exists(into / "cat" / "a_4.png"));
  ImageSorter linker(into, {"dog"}, true);
  for (int i = 0; i < 2; ++i) linker.put(one, 0), linker.put(two, 0);
  CHECK(fs::read_symlink(into / "dog" / "a.png") == one);
  CHECK(fs::read_symlink(into / "dog" / "a_2.png") == two);
  CHECK_FALSE(fs::exists(into / "dog" / "a_3.png"));
  CHECK_THROWS_AS(sorter.put(base.path() / "nowhere.png", 0), FileError);
}
