// Lengths of time as people write them.
#include "duration.hpp"

#include <doctest/doctest.h>

using minivit::cli::duration_from;

TEST_CASE("numbers with and without units are seconds") {
  CHECK(duration_from("90") == 90.0);
  CHECK(duration_from("0") == 0.0);
  CHECK(duration_from("90s") == 90.0);
  CHECK(duration_from("30m") == 1800.0);
  CHECK(duration_from("30min") == 1800.0);
  CHECK(duration_from("1h30min5s") == 5405.0);
  CHECK(duration_from("2h") == 7200.0);
  CHECK(duration_from("1h30m") == 5400.0);
  CHECK(duration_from("1h5s") == 3605.0);
  CHECK(duration_from("1.5h") == 5400.0);
}

TEST_CASE("what is no length of time is none") {
  for (const char* text : {"", "m", "-5", "5x", "30m2h", "30mm", "1h2", "h1", "nan", "1e400", "--", "3 m"})
    CHECK_MESSAGE(!duration_from(text), text);
}
