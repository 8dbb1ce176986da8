// A disk that is full, for one process.
#pragma once

#include <signal.h>
#include <sys/resource.h>

/// While it lives no file can grow over `bytes`: writing fails as on a full disk.
struct FileSizeLimit {
  rlimit before{};
  void (*handler)(int) = ::signal(SIGXFSZ, SIG_IGN);
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
  }
};
