// The revision of a source tree, from files as git writes them.
#include "git_revision.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "data/fixture.hpp"
#include "minivit/core/atomic_file.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  io::write_file_atomically(path, text);
}

const std::string kOne(40, '1'), kTwo(64, '2'), kThree = "abcdef0123456789abcdef0123456789abcdef01";

}  // namespace

TEST_CASE("a branch, a commit without one, packed references; from a folder below") {
  const fixture::TemporaryFolder folder;
  const fs::path git = folder.path() / ".git", below = folder.path() / "a/b";
  fs::create_directories(below);
  write(git / "HEAD", "ref: refs/heads/topic/one\n");
  CHECK(git_revision(below) == "");  // before the first commit
  write(git / "packed-refs", "# pack-refs with: peeled fully-peeled sorted \n" + kTwo +
                                 " refs/heads/topic/on\n" + kThree + " refs/heads/topic/one\n^" + kOne +
                                 "\n");
  CHECK(git_revision(below) == "abcdef01");
  write(git / "refs/heads/topic/one", kOne + "\n");  // newer than what is packed
  CHECK(git_revision(below) == "11111111");
  CHECK(git_revision(folder.path()) == "11111111");
  write(git / "HEAD", kTwo + "\n");
  CHECK(git_revision(below) == "22222222");
}

TEST_CASE("a linked work tree has HEAD of its own and shares the branches; a submodule has both elsewhere") {
  const fixture::TemporaryFolder folder;
  const fs::path git = folder.path() / "main/.git", mine = git / "worktrees/linked";
  write(git / "HEAD", "ref: refs/heads/main\n");
  write(git / "refs/heads/main", kOne + "\n");
  write(git / "packed-refs", kThree + " refs/heads/other\n");
  write(mine / "HEAD", "ref: refs/heads/other\n");
  write(mine / "commondir", "../..\n");
  write(folder.path() / "linked/.git", "gitdir: " + mine.string() + "\n");
  CHECK(git_revision(folder.path() / "linked") == "abcdef01");
  write(git / "modules/sub/HEAD", kTwo + "\n");
  write(folder.path() / "main/sub/.git", "gitdir: ../.git/modules/sub\n");
  CHECK(git_revision(folder.path() / "main/sub") == "22222222");
}

TEST_CASE("what is no repository, or a hostile one, has no revision") {
  const fixture::TemporaryFolder folder;
  const fs::path git = folder.path() / ".git";
  write(folder.path() / "secret", kOne + "\n");
  for (const std::string& head :
       {std::string("ref: ../secret\n"), std::string("ref: refs/../../secret\n"), std::string("ref: \n"),
        std::string("\n"), std::string(40, 'g'), kOne + "1", "\x1b[2J" + kOne, std::string(1 << 20, '1')}) {
    CAPTURE(head.substr(0, 50));
    write(git / "HEAD", head);
    CHECK(git_revision(folder.path()) == "");
  }
  fs::remove(git / "HEAD");
  REQUIRE(::mkfifo((git / "HEAD").c_str(), 0600) == 0);  // nobody writes to it
  CHECK(git_revision(folder.path()) == "");
  fs::remove_all(git);
  write(git, "gitdir: .\n");
  CHECK(git_revision(folder.path()) == "");
}
