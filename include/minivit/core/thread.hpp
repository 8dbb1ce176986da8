// A background thread, or an error that says why there is none.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A thread that runs `f()` and is joined by its destructor. Throws Error if the system refuses to start one.
template <class F>
[[nodiscard]] std::jthread start_thread(F&& f) {
  try {
    return std::jthread(std::forward<F>(f));
  } catch (const std::system_error& e) {
    throw Error(str_cat("cannot start a thread: ", e.code().message(),
                        "; ask for fewer threads or workers, or raise the limits of the process "
                        "(ulimit -u, ulimit -v)"));
  }
}

}  // namespace minivit::inline MINIVIT_ABI
