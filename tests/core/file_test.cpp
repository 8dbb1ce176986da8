// Files and folders that are replaced whole or not at all.
#include "minivit/core/atomic_directory.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>
#include "support/file_size_limit.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

/// A folder of its own for each test, removed at its end.
struct TemporaryFolder {
  fs::path path =
      fs::temp_directory_path() /
      str_cat("minivit-file-", ::getpid(), "-", std::chrono::steady_clock::now().time_since_epoch().count());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
  fs::path operator/(const std::string& name) const { return path / name; }
};

std::string content(const fs::path& path) { return read_file(path, 1 << 20); }

/// Names in a folder, sorted, hidden ones included.
std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

/// The message of the FileError that `action` throws; "" if it throws none.
template <class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const FileError& error) { return error.what(); }
  return "";
}

/// Runs `body` in a child process and kills it after a while, or waits for its end if `microseconds` is
/// negative.
template <class Body>
void run_in_child(const Body& body, int microseconds = -1) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      body();
    } catch (...) {}
    ::_exit(0);
  }
  if (microseconds >= 0) {
    ::usleep(static_cast<useconds_t>(microseconds));
    ::kill(child, SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// Dies without unwinding, as by a power cut.
[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  ::_exit(1);
}

}  // namespace

TEST_CASE("write_file_atomically creates and replaces a file and leaves nothing else") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a.txt", "first");
  CHECK(content(folder / "a.txt") == "first");
  write_file_atomically(folder / "a.txt", std::string_view());
  CHECK(content(folder / "a.txt").empty());
  const std::byte bytes[] = {std::byte{0}, std::byte{255}, std::byte{10}};
  write_file_atomically(folder / "a.txt", bytes);
  CHECK(content(folder / "a.txt") == std::string("\0\xFF\n", 3));
  CHECK(entries(folder.path) == Names{"a.txt"});
}

TEST_CASE("AtomicFile shows nothing before commit") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new ");
    file.write("text");
    CHECK(content(folder / "a") == "old");
    file.commit();
    CHECK(content(folder / "a") == "new text");
    CHECK(message_of([&] { file.write("more"); }).find("committed before") != std::string::npos);
    CHECK(message_of([&] { file.commit(); }).find("committed before") != std::string::npos);
  }
  { AtomicFile(folder / "a").write("never committed"); }
  CHECK(content(folder / "a") == "new text");
  CHECK(entries(folder.path) == Names{"a"});
}

TEST_CASE("AtomicFile rewrites what is there and goes on at the end") {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("0 rows:");
  file.write(" one");
  file.rewrite(0, "2");
  file.write(" two");
  file.rewrite(2, "ROWS");
  file.commit();
  CHECK(content(folder / "a") == "2 ROWS: one two");
  CHECK(message_of([&] { file.rewrite(0, "3"); }).find("committed before") != std::string::npos);
}

TEST_CASE("AtomicFile refuses what it cannot replace, and says so") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "dir");
  CHECK(message_of([&] { AtomicFile(folder / "dir"); }).find("expected a regular file") != std::string::npos);
  CHECK(message_of([&] { AtomicFile("/dev/full"); }) ==
        "cannot write /dev/full: expected a regular file or nothing of that name, found something else");
  CHECK(message_of([&] { AtomicFile(folder / "missing/a"); }) ==
        str_cat("cannot write ", (folder / "missing/a").string(), ": No such file or directory"));
  CHECK(message_of([&] { AtomicFile(""); }).find("names no file") != std::string::npos);
  CHECK(message_of([&] { AtomicFile("/"); }) != "");
  CHECK(entries(folder.path) == Names{"dir"});
  if (::geteuid() != 0) {  // nobody can keep the administrator from writing
    fs::permissions(folder / "dir", fs::perms::owner_read | fs::perms::owner_exec);
    CHECK(message_of([&] { AtomicFile(folder / "dir/a"); }).find("Permission denied") != std::string::npos);
    fs::permissions(folder / "dir", fs::perms::owner_all);
  }
}

TEST_CASE("a write that fails leaves the earlier file and no temporary, and cannot be committed") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  const std::string big(100000, 'x');
  std::string first, second;
  {
    const FileSizeLimit limit(65536);
    AtomicFile file(folder / "a");
    first = message_of([&] { file.write(big); });
    second = message_of([&] { file.commit(); });
  }
  CHECK(first ==
        str_cat("cannot write ", (folder / "a").string(), ": File too large; the earlier file is untouched"));
  CHECK(second.find("an earlier write failed") != std::string::npos);
  CHECK(content(folder / "a") == "old");
  CHECK(entries(folder.path) == Names{"a"});
}

TEST_CASE(
    "AtomicFile writes through a symbolic link, keeps long names, and is not confused by the working "
    "directory") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  write_file_atomically(folder / "real/a", "old");
  fs::create_symlink("real/a", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(content(folder / "real/a") == "new");
  CHECK(entries(folder / "real") == Names{"a"});

  const std::string long_name(255, 'n');
  write_file_atomically(folder / long_name, "x");
  CHECK(content(folder / long_name) == "x");
}

TEST_CASE("what a killed process left is removed by the next writer, what a living one writes is not") {
  const TemporaryFolder folder;
  run_in_child([&] {
    AtomicFile file(folder / "a");
    file.write("half");
    die();
  });
  REQUIRE(entries(folder.path).size() == 1);  // the temporary: otherwise this tests nothing
  CHECK(entries(folder.path)[0].starts_with(".a.minivit-"));
  {
    AtomicFile other(folder / "b");  // another name: none of its business
    CHECK(entries(folder.path).size() == 2);
    AtomicFile first(folder / "a");
    AtomicFile second(folder / "a");
    CHECK(entries(folder.path).size() == 3);  // of b and of both writers of a: each holds its lock
    first.write("first");
    second.write("second");
    first.commit();
    second.commit();
  }
  CHECK(content(folder / "a") == "second");
  CHECK(entries(folder.path) == Names{"a"});
}

TEST_CASE("read_file reads regular files up to a limit") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "12345");
  CHECK(read_file(folder / "a", 5) == "12345");
  CHECK(message_of([&] { static_cast<void>(read_file(folder / "a", 4)); }) ==
        str_cat("cannot read ", (folder / "a").string(), ": it has 5 bytes, at most 4 are accepted"));
  CHECK(message_of([&] { static_cast<void>(read_file(folder / "none", 4)); }).find("No such file") !=
        std::string::npos);
  CHECK(message_of([&] { static_cast<void>(read_file(folder.path, 4)); }).find("found a directory") !=
        std::string::npos);
  CHECK(message_of([&] { static_cast<void>(read_file("/dev/zero", 4)); }).find("expected a regular file") !=
        std::string::npos);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(message_of([&] { static_cast<void>(read_file(folder / "pipe", 4)); }).find("found a device, pipe") !=
        std::string::npos);
}

TEST_CASE("InputFile reads anywhere, and notices that a file was cut short") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "0123456789");
  const InputFile file(folder / "a");
  CHECK(file.size() == 10);
  char buffer[4] = {};
  file.read_at(3, buffer, 4);
  CHECK(std::string_view(buffer, 4) == "3456");
  fs::resize_file(folder / "a", 5);
  CHECK(message_of([&] { file.read_at(3, buffer, 4); }).find("ends at byte 5, 2 more were expected") !=
        std::string::npos);
  CHECK_NOTHROW(file.read_at(5, buffer, 0));
}

TEST_CASE("AtomicDirectory creates and replaces a folder whole") {
  const TemporaryFolder folder;
  for (const std::string version : {"1", "2"}) {
    AtomicDirectory work(folder / "model/");
    write_file_atomically(work.path() / ("file" + version), version);
    fs::create_directory(work.path() / "sub");
    write_file_atomically(work.path() / "sub/inner", version);
    CHECK(fs::exists(folder / "model") == (version == "2"));
    work.commit();
    CHECK(entries(folder / "model") == Names{"file" + version, "sub"});
    CHECK(content(folder / "model/sub/inner") == version);
    CHECK(message_of([&] { work.commit(); }).find("committed before") != std::string::npos);
  }
  { write_file_atomically(AtomicDirectory(folder / "model").path() / "x", "never committed"); }
  CHECK(entries(folder / "model") == Names{"file2", "sub"});
  CHECK(entries(folder.path) == Names{"model"});

  write_file_atomically(folder / "file", "");
  CHECK(message_of([&] { AtomicDirectory(folder / "file"); }).find("expected a directory") !=
        std::string::npos);
  CHECK(message_of([&] { AtomicDirectory(folder / "none/model"); }).find("No such file") !=
        std::string::npos);
}

TEST_CASE("AtomicDirectory follows a symbolic link") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  fs::create_symlink("real", folder / "link");
  AtomicDirectory work(folder / "link");
  write_file_atomically(work.path() / "a", "x");
  work.commit();
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(entries(folder / "real") == Names{"a"});
}

TEST_CASE("a kill at any moment leaves the old or the new folder, complete") {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  const auto publish = [&](const std::string& version) {
    AtomicDirectory work(target);
    for (const char* name : {"a", "b", "c"}) write_file_atomically(work.path() / name, version);
    work.commit();
  };
  publish("start");
  bool killed_with_leftovers = false;
  for (int round = 0; round < 60; ++round) {
    run_in_child(
        [&] {
          for (int i = 0;; ++i) publish(std::to_string(i));
        },
        500 + 137 * round);
    REQUIRE(entries(target) == Names{"a", "b", "c"});
    CHECK(content(target / "a") == content(target / "b"));
    CHECK(content(target / "a") == content(target / "c"));
    killed_with_leftovers = killed_with_leftovers || entries(folder.path).size() > 1;
  }
  CHECK(killed_with_leftovers);  // otherwise the kills missed what they are to test
  publish("end");
  CHECK(content(target / "b") == "end");
  CHECK(entries(folder.path) == Names{"model"});
}

TEST_CASE("a reader finds the folder at every moment while it is replaced") {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  fs::create_directory(target);
  fs::create_directory(folder / "other");
  if (io::detail::exchange_directories(folder / "other", target) != 0)
    return;  // this file system cannot: see recover_directory
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int i = 0; i < 500; ++i) AtomicDirectory(target).commit();
    ::_exit(0);
  }
  std::int64_t looks = 0, missing = 0;
  while (::waitpid(child, nullptr, WNOHANG) == 0) {
    ++looks;
    missing += ::access(target.c_str(), F_OK) != 0;
  }
  CHECK(looks > 500);
  CHECK(missing == 0);
}

TEST_CASE("without the exchange of folders, a kill between the two renames is repaired") {
  const TemporaryFolder folder;
  const auto make = [&](const fs::path& path, const std::string& text) {
    fs::create_directory(path);
    write_file_atomically(path / "a", text);
  };
  const fs::path target = folder / "model";
  make(target, "old");
  make(folder / "fresh", "new");
  fs::path earlier;
  CHECK(io::detail::replace_directory(folder / "fresh", target, earlier) == 0);
  CHECK(content(target / "a") == "new");
  CHECK(content(earlier / "a") == "old");
  recover_directory(target);  // killed before the old one was removed: a reader leaves it to the next writer
  CHECK(content(target / "a") == "new");
  { const AtomicDirectory next(target); }
  CHECK(entries(folder.path) == Names{"model"});

  const fs::path aside = io::detail::temporary_beside(target, ".old");
  fs::rename(target, aside);  // killed between the renames
  recover_directory(target);
  CHECK(content(target / "a") == "new");
  CHECK(entries(folder.path) == Names{"model"});

  earlier.clear();
  CHECK(io::detail::replace_directory(folder / "missing", target, earlier) == ENOENT);
  CHECK(content(target / "a") == "new");
  CHECK(entries(folder.path) == Names{"model"});
}

TEST_CASE("a reader waits for the folder while its writer lives, and does not put the old one back") {
  const TemporaryFolder folder;
  const fs::path target = folder / "model", aside = io::detail::temporary_beside(target, ".old");
  fs::create_directory(target);
  write_file_atomically(target / "a", "old");
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // a writer that is slow between its two renames
    fs::create_directory(folder / "fresh");
    write_file_atomically(folder / "fresh/a", "new");
    const auto mark = io::detail::marked(target);
    fs::rename(target, aside);
    static_cast<void>(::write(ready[1], "x", 1) == 1);
    ::usleep(300'000);
    fs::rename(folder / "fresh", target);
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  recover_directory(target);
  CHECK(content(target / "a") == "new");
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]), ::close(ready[1]);
}

TEST_CASE("a folder that cannot be renamed is copied, and the copy counts until the new one is there") {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  const auto make = [&](const fs::path& path, const std::string& text) {
    fs::create_directories(path / "sub");
    for (const char* name : {"a", "b", "sub/c"}) write_file_atomically(path / name, text);
  };
  make(target, "old");
  make(folder / "fresh", "new");
  CHECK(io::detail::replace_copied(folder / "fresh", target) == 0);
  CHECK(content(target / "sub/c") == "new");
  CHECK(entries(folder.path) == Names{"model"});

  make(io::detail::temporary_beside(target, ".undo"), "before");  // killed while the target was being removed
  fs::remove(target / "a");
  recover_directory(target);
  CHECK(entries(target) == Names{"a", "b", "sub"});
  CHECK(content(target / "sub/c") == "before");
  CHECK(entries(folder.path) == Names{"model"});

  CHECK(io::detail::replace_copied(folder / "missing", target) == ENOENT);  // undone
  CHECK(content(target / "a") == "before");
  CHECK(entries(folder.path) == Names{"model"});
}

TEST_CASE("what is read from a folder is of one version, however often it is replaced") {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  const auto publish = [&](const std::string& version) {
    AtomicDirectory work(target);
    for (const char* name : {"a", "b"}) write_file_atomically(work.path() / name, version);
    work.commit();
  };
  publish("0");
  int attempts = 0;
  const auto versions = read_unchanged(target, [&] {
    const std::string a = content(target / "a");
    if (++attempts < 3) publish(std::to_string(attempts));
    return a + content(target / "b");
  });
  CHECK(versions == "22");
  CHECK(attempts == 3);
  CHECK_THROWS_AS(read_unchanged(target, [&]() -> int { throw FileError("damaged"); }), FileError);
  int calls = 0;
  CHECK_THROWS_AS(read_unchanged(folder / "none",
                                 [&]() -> int {
                                   ++calls;
                                   throw FileError("missing");
                                 }),
                  FileError);
  CHECK(calls == 1);
  CHECK(read_unchanged(target / "a", [&] { return ++calls; }) == 2);  // a file is read once, too
}

TEST_CASE("what killed processes left in a folder is removed, what a living one writes stays") {
  const TemporaryFolder folder;
  write_file_atomically(folder / ".mine", "x");
  fs::create_directory(folder / ".best.minivit-1-1.tmp");
  write_file_atomically(folder / ".best.minivit-1-1.tmp/half", "x");
  write_file_atomically(folder / ".result.json.minivit-1-2.tmp", "x");
  AtomicFile file(folder / "a");
  AtomicDirectory directory(folder / "d");
  remove_stale_temporaries(folder.path);
  CHECK(fs::exists(folder / ".mine"));
  CHECK(entries(folder.path).size() == 3);
  file.commit();
  directory.commit();
  CHECK(entries(folder.path) == Names{".mine", "a", "d"});
  remove_stale_temporaries(folder / "none");
}
