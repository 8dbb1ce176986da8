// Two translation units of one program include everything: that they link says that nothing is defined twice.
#include <doctest/doctest.h>

#include <minivit/vit.hpp>

#include "odr/second_unit.hpp"

TEST_CASE("what is shared exists once in a program") {
  CHECK(second_unit::pool() == &minivit::Pool::instance());
  CHECK(second_unit::generator() == &minivit::Generator::local());
  CHECK(second_unit::version() == &minivit::kVersion);
}
