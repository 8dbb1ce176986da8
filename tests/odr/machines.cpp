// A program with two units that are built for two machines: both run, each with its own code. Ends with 77
// (skipped) where the second cannot run.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "odr/machine_unit.hpp"

int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 77;
  if (std::strcmp(machine_a::instruction_set(), "baseline") != 0 || machine_a::lanes() != 4 ||
      std::strcmp(machine_b::instruction_set(), "avx2") != 0 || machine_b::lanes() != 8) {
    std::printf("built for %s (%d lanes) and %s (%d lanes), expected baseline (4) and avx2 (8)\n",
                machine_a::instruction_set(), machine_a::lanes(), machine_b::instruction_set(),
                machine_b::lanes());
    return 1;
  }
  for (int image = 0; image < 4; ++image) {  // in turn: neither must have left anything to the other
    const double a = machine_a::classify(image), b = machine_b::classify(image);
    if (!(std::fabs(a) > 1e-3) || !(std::fabs(a - b) < 1e-4)) {
      std::printf("image %d: %.9g and %.9g, expected nearly equal numbers other than 0\n", image, a, b);
      return 1;
    }
  }
  return 0;
}
