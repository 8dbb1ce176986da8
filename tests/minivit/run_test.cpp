// Run folders and the log of a run.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "data/fixture.hpp"
#include "run_folder.hpp"
#include "run_lock.hpp"
#include "run_log.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

namespace {

using fixture::TemporaryFolder;

std::string content(const fs::path& path) { return io::read_file(path, 1 << 20); }

/// True if `text` has digits where `pattern` has 0, and is equal to it elsewhere.
bool looks_like(std::string_view text, std::string_view pattern) {
  return std::ranges::equal(text, pattern,
                            [](unsigned char c, char p) { return p == '0' ? std::isdigit(c) != 0 : c == p; });
}

/// What `body` writes to standard output.
template <class Body>
std::string printed(const fs::path& file, const Body& body) {
  std::fflush(stdout);
  const int before = ::dup(STDOUT_FILENO), to = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  REQUIRE(before >= 0);
  REQUIRE(to >= 0);
  ::dup2(to, STDOUT_FILENO);
  body();
  std::fflush(stdout);
  ::dup2(before, STDOUT_FILENO);
  ::close(before);
  ::close(to);
  return content(file);
}

}  // namespace

TEST_CASE("a run folder is named after date and time") {
  const TemporaryFolder base;
  const fs::path run = make_run_folder(base.path() / "new" / "outputs");
  CHECK(fs::is_directory(run));
  CHECK(fs::is_empty(run));
  const std::string name = fs::relative(run, base.path()).string();
  CHECK_MESSAGE(looks_like(name, "new/outputs/0000-00-00/00-00-00"), name);
  CHECK(looks_like(local_time("%Y-%m-%d"), "0000-00-00"));
  CHECK_FALSE(looks_like("2024-1-01", "0000-00-00"));
}

TEST_CASE("a run folder appears with its files, or not at all") {
  const TemporaryFolder base;
  const std::vector<NewFile> files{{"config.yaml", "a: 1\n"}, {"jobs/0/overrides.yaml", "[]\n"}};
  const fs::path run = make_run_folder(base.path(), files);
  CHECK(content(run / "config.yaml") == "a: 1\n");
  CHECK(content(run / "jobs/0/overrides.yaml") == "[]\n");
  const std::vector<NewFile> impossible{{"config.yaml", "a: 1\n"}, {"config.yaml/below", "x"}};
  CHECK(message_of<FileError>([&] { make_run_folder(base.path(), impossible); }) != "nothing was thrown");
  int entries = 0;
  for (const auto& entry : fs::directory_iterator(run.parent_path())) entries += entry.exists();
  CHECK(entries == 1);
}

TEST_CASE("a run folder has one process at a time") {
  const TemporaryFolder base;
  {
    const RunLock lock(base.path());
    CHECK(message_of<FileError>([&] { const RunLock second(base.path()); }) ==
          base.path().string() + ": another process is training there");
  }
  const RunLock again(base.path());
}

TEST_CASE("32 runs that start at once get 32 folders") {
  const TemporaryFolder base;
  std::set<fs::path> folders;
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 32; ++i)
      threads.emplace_back([&] {
        const fs::path run = make_run_folder(base.path());
        const std::lock_guard lock(mutex);
        folders.insert(run);
      });
  }
  CHECK(folders.size() == 32);
  bool numbered = false;
  for (const fs::path& folder : folders) {
    CHECK(fs::is_directory(folder));
    numbered |= folder.filename().string().find('_') != std::string::npos;
  }
  CHECK(numbered);
}

TEST_CASE("making a run folder does not change what other threads' files may be read by") {
  const TemporaryFolder base;
  const mode_t before = ::umask(027);  // no other thread yet
  std::atomic<bool> done{false};
  int wrong = 0;
  std::thread other([&] {
    const fs::path path = base.path() / "file";
    while (!done) {
      const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
      struct stat status {};
      if (fd < 0 || ::fstat(fd, &status) != 0 || (status.st_mode & 0777) != 0640) ++wrong;
      ::close(fd);
      ::unlink(path.c_str());
    }
  });
  fs::path run;
  for (int i = 0; i < 300; ++i) run = make_run_folder(base.path() / "outputs");
  done = true;
  other.join();
  CHECK(wrong == 0);
  CHECK(fs::status(run).permissions() == static_cast<fs::perms>(0750));  // as open as any folder
  ::umask(before);
}

TEST_CASE("a run folder that cannot be made is named") {
  const TemporaryFolder base;
  fixture::write(base.path() / "file", std::string("not a folder"));
  const std::string message = message_of<FileError>([&] { make_run_folder(base.path() / "file"); });
  CHECK(message.starts_with("cannot make the folder " + (base.path() / "file").string()));
}

TEST_CASE("the log has every line, on the terminal and in the file; progress is for terminals") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "train.log";
  const std::string out = printed(folder.path() / "out", [&] {
    RunLog log(path);
    log.line("first 100 % \"größe\"");
    log.progress("step 1");
    log.line("");
    CHECK(content(path) == "first 100 % \"größe\"\n\n");  // at once
    log.line(std::string(5000, 'x'));
  });
  CHECK(content(path) == "first 100 % \"größe\"\n\n" + std::string(5000, 'x') + "\n");
  CHECK(out == content(path));
  printed(folder.path() / "out", [&] { RunLog(path).line("later"); });
  CHECK(content(path).ends_with("x\nlater\n"));  // continued
  CHECK(message_of<FileError>([&] { RunLog(folder.path() / "no" / "train.log"); }) ==
        "cannot write " + (folder.path() / "no" / "train.log").string() + ": No such file or directory");
}
