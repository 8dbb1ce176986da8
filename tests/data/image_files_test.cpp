// Image files in folders: what is passed over, links, circles, folders that cannot be read.
#include "minivit/data/image_files.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/data/image_folder.hpp"

using namespace minivit;
using namespace minivit::image;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& file) { fixture::write(file, "x"); }

void link(const fs::path& to, const fs::path& at) {
  fs::create_directories(at.parent_path());
  fs::create_directory_symlink(to, at);
}

/// Names below `root`, as they were found.
std::vector<std::string> names(const ImageFiles& files, const fs::path& root) {
  std::vector<std::string> out;
  for (const auto& path : files.paths) out.push_back(path.lexically_relative(root).native());
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("hidden files and what systems leave behind are passed over") {
  const fixture::TemporaryFolder folder;
  const fs::path root = folder.path();
  for (const char* name : {"a.png", "b/c.JPG", "._a.png", ".b.png", ".ipynb_checkpoints/a-checkpoint.png",
                           ".thumbnails/a.png", "__MACOSX/a.png", "__MACOSX/b/._c.jpg", "b/Thumbs.db",
                           "b/@eaDir/c.jpg", "lost+found/x.png", "notes.txt"})
    touch(root / name);
  CHECK(names(find_image_files(root), root) == Names{"a.png", "b/c.JPG"});
  for (const char* name : {".", "..", ".x", "._x.jpg", "__MACOSX", "Thumbs.db", "desktop.ini"})
    CHECK(is_passed_over(name));
  for (const char* name : {"x", "x.jpg", "_x", "MACOSX", "Thumbs", "train"})
    CHECK_FALSE(is_passed_over(name));
}

TEST_CASE("image files of other formats are counted by suffix") {
  const fixture::TemporaryFolder folder;
  for (const char* name : {"a.jxl", "b/c.JXL", "d.psd", "e.txt", "f.png", "jxl", ".g.jxl"})
    touch(folder.path() / name);
  CHECK(find_image_files(folder.path()).not_read == SuffixCounts{{".jxl", 2}, {".psd", 1}});
}

TEST_CASE("linked folders are entered once, circles end") {
  const fixture::TemporaryFolder folder, elsewhere;
  const fs::path root = folder.path() / "root";
  touch(root / "a.png");
  touch(elsewhere.path() / "b.png");
  touch(elsewhere.path() / "deep" / "c.png");
  link(elsewhere.path(), root / "one");
  link(elsewhere.path(), root / "two");
  link(root, elsewhere.path() / "back");
  link("self", root / "self");
  link("nowhere", root / "gone");
  CHECK(names(find_image_files(root), root) == Names{"a.png", "one/b.png", "one/deep/c.png"});
  CHECK(find_image_files(root).closed.empty());
}

TEST_CASE("a folder belongs to the nearest class") {
  const fixture::TemporaryFolder folder, elsewhere;
  const fs::path root = folder.path() / "root";
  for (const char* name : {"ant/1.png", "bee/1.png", "bee/more/2.png", "cat/1.png"}) touch(root / name);
  touch(folder.path() / "beside" / "x.png");
  touch(elsewhere.path() / "2.png");
  SUBCASE("a link to the parent is not followed, from wherever it is") {
    link("..", root / "ant" / "up");
    link(folder.path(), root / "bee" / "far_up");
    link(root, root / "cat" / "deep" / "up");
  }
  SUBCASE("a link to another class, or into it, gives nothing") {
    link("../bee", root / "ant" / "bees");
    link("../bee/more", root / "ant" / "some_bees");
    link(root / "cat", root / "bee" / "cats");
  }
  SUBCASE("by way of a link to elsewhere") {
    link(elsewhere.path(), root / "cat" / "elsewhere");
    link(root, elsewhere.path() / "back");
  }
  const std::vector<fs::path> classes{root / "ant", root / "bee", root / "cat"};
  const auto found = find_image_files(classes);
  REQUIRE(found.size() == 3);
  CHECK(names(found[0], root) == Names{"ant/1.png"});
  CHECK(names(found[1], root) == Names{"bee/1.png", "bee/more/2.png"});
  const bool linked = fs::exists(root / "cat" / "elsewhere");
  CHECK(names(found[2], root) == (linked ? Names{"cat/1.png", "cat/elsewhere/2.png"} : Names{"cat/1.png"}));
}

TEST_CASE("the same image through two classes is counted once") {
  const fixture::TemporaryFolder folder;
  for (int i = 0; i < 4; ++i)
    for (const char* name : {"ant", "bee"}) touch(folder.path() / name / (std::to_string(i) + ".png"));
  link("..", folder.path() / "ant" / "up");
  CHECK(ImageFolder(folder.path()).labels() == std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1});
  link("bee", folder.path() / "wasp");
  CHECK(message_of<FileError>([&] { ImageFolder(folder.path()); }) ==
        folder.str() + "/wasp: is the same folder as " + folder.str() +
            "/bee; an image has one class, remove one of the two links");
}

TEST_CASE("what cannot be looked into is named") {
  const fixture::TemporaryFolder folder;
  touch(folder.path() / "a" / "1.png");
  touch(folder.path() / "b" / "1.png");
  const fs::path locked = folder.path() / "b" / "locked";
  fs::create_directories(locked);
  CHECK(find_image_files(folder.path() / "none").closed ==
        Names{folder.str() + "/none: cannot be read: No such file or directory"});
  if (::geteuid() == 0) return;  // for root everything is readable
  fs::permissions(locked, fs::perms::none);
  const std::string expected = locked.native() + ": cannot be read: Permission denied";
  CHECK(find_image_files(folder.path()).closed == Names{expected});
  CHECK(message_of<FileError>([&] { ImageFolder(folder.path()); }) == expected);
  fs::permissions(locked, fs::perms::owner_all);
}

TEST_CASE("a data set knows what is left out of it") {
  const fixture::TemporaryFolder folder;
  for (const char* name : {"a/1.png", "a/2.jxl", "b/1.png", "b/3.jxl", "4.png", "5.jpg", "6.jxl"})
    touch(folder.path() / name);
  const ImageFolder data(folder.path());
  CHECK(data.size() == 2);
  CHECK(data.not_read() == SuffixCounts{{".jxl", 2}});
  CHECK(data.beside() == 2);
  touch(folder.path() / "c" / "1.jxl");
  CHECK(message_of<FileError>([&] {
          ImageFolder(folder.path());
        }).ends_with("), only 1 .jxl file, which are not read; add some or remove the folder"));
}
