// A library that lets system calls fail, for programs under test: LD_PRELOAD=faults.so
// MINIVIT_FAULTS=RULE[;RULE]…
//
// RULE is CALL:ERROR:NTH:PATTERN, for example read:EIO:2+:*/photos/*.png
//   CALL     open, read, write, fsync, rename, flock, link, mkdir, unlink or ftruncate, with their relatives
//   (openat and
//            opendir, pread, pwrite, fdatasync, renameat, linkat, …); renameat2 is a call of its own
//   ERROR    the name or the number of an error, or KILL: the process is killed there
//   NTH      the matching call that fails, from 1: 3 the third alone, 3+ the third and all after it, + all of
//   them PATTERN  of the path, as in a shell, * for any text with slashes; of two paths one must match
// A call on a descriptor has the path that the descriptor was opened with. What the C library calls of
// itself, within stdio for example, is not seen.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <list>
#include <string>
#include <string_view>

namespace {

constexpr int kKill = -1;

struct Rule {
  std::string call, pattern;
  int error = 0;
  long first = 1;
  bool onwards = false;
  std::atomic<long> seen{0};
};

/// A wrong rule must not look like a test that passed.
[[noreturn]] void refuse(std::string_view rule) {
  dprintf(2, "faults: \"%.*s\": expected CALL:ERROR:NTH:PATTERN\n", static_cast<int>(rule.size()),
          rule.data());
  _exit(99);
}

int error_of(std::string_view name) {
  constexpr struct {
    std::string_view name;
    int error;
  } kErrors[] = {{"EIO", EIO},         {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
                 {"ENOMEM", ENOMEM},   {"EINVAL", EINVAL}, {"ENOSYS", ENOSYS}, {"EXDEV", EXDEV},
                 {"EINTR", EINTR},     {"EACCES", EACCES}, {"EPERM", EPERM},   {"EROFS", EROFS},
                 {"ENOLCK", ENOLCK},   {"EDQUOT", EDQUOT}, {"ESTALE", ESTALE}, {"EOPNOTSUPP", EOPNOTSUPP},
                 {"ENOENT", ENOENT},   {"EEXIST", EEXIST}, {"EFBIG", EFBIG},   {"EWOULDBLOCK", EWOULDBLOCK},
                 {"ENOTSUP", ENOTSUP}, {"EBUSY", EBUSY},   {"EAGAIN", EAGAIN}, {"KILL", kKill}};
  for (const auto& known : kErrors)
    if (known.name == name) return known.error;
  return std::atoi(std::string(name).c_str());
}

std::list<Rule> read_rules() {
  std::list<Rule> rules;
  const char* const text = std::getenv("MINIVIT_FAULTS");
  std::string_view rest = text ? text : "";
  while (!rest.empty()) {
    const std::string_view whole = rest.substr(0, rest.find(';'));
    rest.remove_prefix(whole.size() < rest.size() ? whole.size() + 1 : whole.size());
    std::string_view fields = whole;
    const auto field = [&] {
      const std::size_t colon = fields.find(':');
      if (colon == std::string_view::npos) refuse(whole);
      const std::string_view part = fields.substr(0, colon);
      fields.remove_prefix(colon + 1);
      return part;
    };
    Rule& rule = rules.emplace_back();
    rule.call = field();
    rule.error = error_of(field());
    const std::string nth(field());
    rule.pattern = fields;
    rule.onwards = nth.ends_with('+');
    if (nth != "+") rule.first = std::atol(nth.c_str());
    if (rule.error == 0 || rule.first < 1 || rule.pattern.empty()) refuse(whole);
  }
  return rules;
}

/// True, with errno, if a rule lets this call fail.
bool fails(std::string_view call, const std::string& path, const std::string& other = {}) {
  static std::list<Rule> rules = read_rules();
  for (Rule& rule : rules) {
    if (rule.call != call) continue;
    const auto matches = [&](const std::string& p) {
      return !p.empty() && fnmatch(rule.pattern.c_str(), p.c_str(), 0) == 0;
    };
    if (!matches(path) && !matches(other)) continue;
    const long number = ++rule.seen;
    if (number < rule.first || (number > rule.first && !rule.onwards)) continue;
    if (rule.error == kKill) raise(SIGKILL);
    errno = rule.error;
    return true;
  }
  return false;
}

std::string path_of(int fd) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const int before = errno;
  const ssize_t size = readlink(name, path, sizeof path);
  errno = before;
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

std::string path_at(int folder, const char* path) {
  return folder == AT_FDCWD || path[0] == '/' ? path : path_of(folder) + "/" + path;
}

/// The function that this one stands in front of.
template <class F>
F* next(F*, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

/// The mode of an open that makes a file.
mode_t mode_of(int flags, va_list more) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  static const auto real = next(open, "open");
  return fails("open", path) ? -1 : real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  static const auto real = next(open64, "open64");
  return fails("open", path) ? -1 : real(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  static const auto real = next(openat, "openat");
  return fails("open", path_at(folder, path)) ? -1 : real(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  static const auto real = next(openat64, "openat64");
  return fails("open", path_at(folder, path)) ? -1 : real(folder, path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) {
  static const auto real = next(fopen, "fopen");
  return fails("open", path) ? nullptr : real(path, mode);
}

FILE* fopen64(const char* path, const char* mode) {
  static const auto real = next(fopen64, "fopen64");
  return fails("open", path) ? nullptr : real(path, mode);
}

DIR* opendir(const char* path) {
  static const auto real = next(opendir, "opendir");
  return fails("open", path) ? nullptr : real(path);
}

ssize_t read(int fd, void* into, size_t bytes) {
  static const auto real = next(read, "read");
  return fails("read", path_of(fd)) ? -1 : real(fd, into, bytes);
}

ssize_t pread(int fd, void* into, size_t bytes, off_t at) {
  static const auto real = next(pread, "pread");
  return fails("read", path_of(fd)) ? -1 : real(fd, into, bytes, at);
}

ssize_t pread64(int fd, void* into, size_t bytes, off64_t at) {
  static const auto real = next(pread64, "pread64");
  return fails("read", path_of(fd)) ? -1 : real(fd, into, bytes, at);
}

ssize_t write(int fd, const void* from, size_t bytes) {
  static const auto real = next(write, "write");
  return fails("write", path_of(fd)) ? -1 : real(fd, from, bytes);
}

ssize_t pwrite(int fd, const void* from, size_t bytes, off_t at) {
  static const auto real = next(pwrite, "pwrite");
  return fails("write", path_of(fd)) ? -1 : real(fd, from, bytes, at);
}

ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t at) {
  static const auto real = next(pwrite64, "pwrite64");
  return fails("write", path_of(fd)) ? -1 : real(fd, from, bytes, at);
}

int fsync(int fd) {
  static const auto real = next(fsync, "fsync");
  return fails("fsync", path_of(fd)) ? -1 : real(fd);
}

int fdatasync(int fd) {
  static const auto real = next(fdatasync, "fdatasync");
  return fails("fsync", path_of(fd)) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  static const auto real = next(ftruncate, "ftruncate");
  return fails("ftruncate", path_of(fd)) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size) noexcept {
  static const auto real = next(ftruncate64, "ftruncate64");
  return fails("ftruncate", path_of(fd)) ? -1 : real(fd, size);
}

int flock(int fd, int operation) noexcept {
  static const auto real = next(flock, "flock");
  return fails("flock", path_of(fd)) ? -1 : real(fd, operation);
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next(rename, "rename");
  return fails("rename", from, to) ? -1 : real(from, to);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  static const auto real = next(renameat, "renameat");
  if (fails("rename", path_at(from_folder, from), path_at(to_folder, to))) return -1;
  return real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  static const auto real = next(renameat2, "renameat2");
  if (fails("renameat2", path_at(from_folder, from), path_at(to_folder, to))) return -1;
  return real(from_folder, from, to_folder, to, flags);
}

int link(const char* from, const char* to) noexcept {
  static const auto real = next(link, "link");
  return fails("link", from, to) ? -1 : real(from, to);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  static const auto real = next(linkat, "linkat");
  if (fails("link", path_at(from_folder, from), path_at(to_folder, to))) return -1;
  return real(from_folder, from, to_folder, to, flags);
}

int mkdir(const char* path, mode_t mode) noexcept {
  static const auto real = next(mkdir, "mkdir");
  return fails("mkdir", path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  static const auto real = next(mkdirat, "mkdirat");
  return fails("mkdir", path_at(folder, path)) ? -1 : real(folder, path, mode);
}

int unlink(const char* path) noexcept {
  static const auto real = next(unlink, "unlink");
  return fails("unlink", path) ? -1 : real(path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  static const auto real = next(unlinkat, "unlinkat");
  return fails("unlink", path_at(folder, path)) ? -1 : real(folder, path, flags);
}

}  // extern "C"
