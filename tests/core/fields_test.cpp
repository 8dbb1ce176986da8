// Settings as data: ranges in words, checks, texts, names of enumerators.
#include "minivit/core/fields.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

namespace {

enum class Color { red, green };

struct Paint {
  Color color = Color::green;
  int layers = 2;
  bool glossy = true;
  std::array<float, 3> mix{0.5f, 1, 0.25f};

  static void fields(auto& self, auto&& f) {
    f("color", self.color, "", Range{});
    f("layers", self.layers, "", Range{1, 9});
    f("glossy", self.glossy, "", Range{});
    f("mix", self.mix, "", Range{0, 1, true});
  }
};

}  // namespace

template <>
inline constexpr auto minivit::kEnumNames<Color> = std::to_array<EnumName<Color>>({{Color::red, "red"},
                                                                                   {Color::green, "green"}});

TEST_CASE("ranges in words, and what they contain") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(Range{1, 1024}.str() == "1 to 1024");
  CHECK(Range{0, 1, false, true}.str() == "0 or more and less than 1");
  CHECK(Range{0, 64, true}.str() == "above 0 and at most 64");
  CHECK(Range{0, 1, true, true}.str() == "between 0 and 1");
  CHECK(Range{}.str() == "any number");
  CHECK(Range{-inf, inf, true, true}.str() == "a finite number");
  CHECK(Range{0, inf, true, true}.str() == "above 0 and finite");
  CHECK(Range{0.5}.str() == "at least 0.5");
  CHECK(Range{-inf, 3}.str() == "at most 3");
  CHECK(Range{}.contains(-inf));
  CHECK_FALSE(Range{-inf, inf, true, true}.contains(-inf));
  CHECK_FALSE(Range{-inf, inf, true, true}.contains(nan));
  CHECK_FALSE(Range{0, inf, true, true}.contains(0));
  CHECK(Range{0, inf, true, true}.contains(std::numeric_limits<float>::max()));
}

TEST_CASE("fields as text, and the first that is out of range") {
  Paint paint;
  using Text = std::pair<std::string_view, std::string>;
  CHECK(field_texts(paint) ==
        std::vector<Text>{{"color", "green"}, {"layers", "2"}, {"glossy", "true"}, {"mix", "0.5 1 0.25"}});
  check_ranges(paint);
  paint.mix[1] = 0;
  CHECK(message_of<ConfigError>([&] { check_ranges(paint, "paint: "); }) ==
        "paint: mix[1] is 0, expected above 0 and at most 1");
  paint.layers = 0;
  CHECK(message_of<ConfigError>([&] { check_ranges(paint); }) == "layers is 0, expected 1 to 9");
  CHECK(enum_value<Color>("red") == Color::red);
  CHECK_FALSE(enum_value<Color>("blue"));
}
