// What the programs share: how they start and how they end.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>

#include "minivit/core/check.hpp"
#include "text_table.hpp"

/// Starts the program again with GNU OpenMP's threads told to wait for each other asleep and not spinning,
/// unless the user has said how. Spinning threads that share their cores with anything else, be it the thread
/// that decodes images, burn whole time slices: training a small model beside one busy process took 15 times
/// longer, with this 1.3 times. The library reads the setting before `main`, hence the restart, which takes a
/// millisecond.
inline void wait_asleep([[maybe_unused]] char** argv) {
#if defined(_OPENMP) && defined(__linux__)
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  ::setenv("GOMP_SPINCOUNT", "1000",
           1);                      // some ten microseconds, about what falling asleep and waking up takes
  ::execv("/proc/self/exe", argv);  // returns only if it fails; then it is as it was
#endif
}

/// Runs `body`, which returns the exit code, and turns errors into a message on standard error: 2 for wrong
/// usage or settings, 1 for everything else that went wrong.
template <class Body>
int run_program(const char* name, const Body& body) {
  try {
    return body();
  } catch (const minivit::ConfigError& e) {
    std::fprintf(stderr, "%s: %s\n", name, minivit::printable(e.what()).c_str());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: out of memory; try a smaller batch, image or model\n", name);
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", name, minivit::printable(e.what()).c_str());
    return 1;
  }
}

/// printf into a string.
template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

/// Whether a program may put a folder of these files in the place of `folder`: there is none, or nothing else
/// is in it.
inline bool replaceable(const std::filesystem::path& folder, std::initializer_list<std::string_view> files) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(folder, error)) return true;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (std::ranges::find(files, entry.path().filename().string()) == files.end()) return false;
  return !error;
}
