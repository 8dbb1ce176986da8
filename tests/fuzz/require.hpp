// How fuzz targets report.
#pragma once

#include <cstdlib>

/// Ends the process unless `ok`, which is what a fuzzer sees.
inline void require(bool ok) {
  if (!ok) std::abort();
}
