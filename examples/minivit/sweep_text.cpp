// The grammar of the values of a sweep.
#include "sweep_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"
#include "quotes.hpp"

namespace minivit::cli {

namespace {

/// Reads the text behind the = of one setting.
class SweepText {
 public:
  explicit SweepText(std::string_view assignment) : assignment_(assignment) {}

  Sweep parse() const {
    const std::size_t at = assignment_.find('=');
    if (at == std::string_view::npos || trimmed(assignment_.substr(0, at)).empty())
      fail("expected name=value,value,… as training.lr=0.001,0.0005");
    Sweep sweep;
    sweep.name = trimmed(assignment_.substr(0, at));
    sweep.text = trimmed(assignment_.substr(at + 1));
    if (sweep.text.empty()) {  // as in `data.val=`: an empty text is what is meant
      sweep.values.emplace_back();
      return sweep;
    }
    const std::vector<std::string_view> parts = split(sweep.text);
    if (parts.size() == 1 && is_call(parts[0])) {
      call(parts[0], sweep);
    } else {
      for (const std::string_view part : parts) sweep.values.push_back(value(part));
    }
    return sweep;
  }

 private:
  // A number as its decimal digits: mantissa · 10^-decimals.
  struct Decimal {
    std::int64_t mantissa = 0;
    int decimals = 0;
  };
  static constexpr int kMostDecimals = 15;
  static constexpr std::int64_t kLargest = 100'000'000'000'000'000;  // 10^17: sums of a few fit 64 bits

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw ConfigError(str_cat("\"", assignment_, "\": ", parts...));
  }

  static std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n");
    return first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1);
  }

  /// The position behind the quoted text that begins at `at`.
  std::size_t closing(std::string_view text, std::size_t at) const {
    const std::size_t end = behind_quotes(text, at);
    if (end == std::string_view::npos) fail("the quote ", text[at], " is not closed");
    return end;
  }

  /// The parts between the commas that are in no quotes and no brackets.
  std::vector<std::string_view> split(std::string_view text) const {
    std::vector<std::string_view> parts;
    std::string open;  // the brackets that are to be closed, the innermost last
    std::size_t begin = 0;
    bool may_quote = true;  // a quote inside of a word, as in Anna's, is a letter
    const auto add = [&](std::size_t end) {
      parts.push_back(trimmed(text.substr(begin, end - begin)));
      if (parts.back().empty()) fail("value ", parts.size(), " is empty; write '' if an empty text is meant");
      begin = end + 1;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (may_quote && (c == '"' || c == '\'')) {
        i = closing(text, i) - 1;
        may_quote = false;
        continue;
      }
      may_quote = std::string_view(" \t\n,:=([{").find(c) != std::string_view::npos;
      if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
      if (c == ')' || c == ']' || c == '}') {
        if (open.empty() || open.back() != c)
          fail("the bracket ", c, " closes none; write the value in quotes if it belongs to it");
        open.pop_back();
      }
      if (c == ',' && open.empty()) add(i);
    }
    if (!open.empty()) fail("a bracket is not closed, expected ", open.back());
    add(text.size());
    return parts;
  }

  /// A value, without quotes if they are around all of it.
  std::string value(std::string_view part) const {
    if (is_call(part)) fail(part, " cannot be one of several values, it has to stand alone");
    return without_quotes(part);
  }

  static bool is_call(std::string_view part) {
    const std::string_view name = part.substr(0, part.find('('));
    return part.ends_with(')') && (name == "choice" || name == "range" || name == "uniform" ||
                                   name == "loguniform" || name == "randint");
  }

  void call(std::string_view part, Sweep& sweep) const {
    const std::size_t open = part.find('(');
    const std::string_view name = part.substr(0, open),
                           inside = trimmed(part.substr(open + 1, part.size() - open - 2));
    if (inside.empty()) fail(name, "() has no values");
    const std::vector<std::string_view> arguments = split(inside);
    if (name == "choice") {
      for (const std::string_view argument : arguments) sweep.values.push_back(value(argument));
    } else if (name == "range") {
      sweep.values = range(arguments);
    } else {
      sweep.draw = distribution(name, arguments);
    }
  }

  template <class T>
  T number(std::string_view text, const char* what) const {
    T value{};
    bool good = detail::parse_number(text, value);
    if constexpr (std::floating_point<T>) good = good && std::isfinite(value);
    if (!good) fail("\"", text, "\" is not ", what);
    return value;
  }

  Draw distribution(std::string_view name, const std::vector<std::string_view>& arguments) const {
    if (arguments.size() != 2) fail(name, "(…) has ", arguments.size(), " values, expected the two ends");
    Draw draw;
    if (name == "randint") {
      draw.kind = Draw::Kind::randint;
      draw.first = number<std::int64_t>(arguments[0], "a whole number");
      draw.last = number<std::int64_t>(arguments[1], "a whole number");
      if (draw.first > draw.last) fail("the ends of randint(…) are in the wrong order");
      return draw;
    }
    draw.low = number<double>(arguments[0], "a number");
    draw.high = number<double>(arguments[1], "a number");
    if (name == "loguniform") {
      draw.kind = Draw::Kind::loguniform;
      if (draw.low <= 0) fail("loguniform(…) begins at ", draw.low, ", expected more than 0");
    }
    if (draw.low >= draw.high) fail("the ends of ", name, "(…) are equal or in the wrong order");
    return draw;
  }

  /// From `start` in steps up to `stop`, which is not one of them. All of it in whole numbers of the smallest
  /// decimal place, so that 0.3 is 0.3.
  std::vector<std::string> range(const std::vector<std::string_view>& arguments) const {
    if (arguments.size() > 3)
      fail("range(…) has ", arguments.size(),
           " values, expected range(start,stop) or range(start,stop,step)");
    const bool has_start = arguments.size() > 1;
    const Decimal from = has_start ? decimal(arguments[0]) : Decimal{},
                  to = decimal(arguments[has_start ? 1 : 0]),
                  by = arguments.size() == 3 ? decimal(arguments[2]) : Decimal{1, 0};
    const int decimals = std::max({from.decimals, to.decimals, by.decimals});
    const std::int64_t start = scaled(from, decimals), stop = scaled(to, decimals),
                       step = scaled(by, decimals);
    if (step == 0) fail("the step of range(…) is 0");
    const std::int64_t way = stop - start;
    if (way == 0 || (way > 0) != (step > 0)) {
      if (has_start)
        fail("range(…) is empty: ", arguments[1], " is not reached from ", arguments[0],
             arguments.size() == 3 ? str_cat(" in steps of ", arguments[2]) : std::string());
      fail("range(…) is empty: ", arguments[0], " is not reached from 0");
    }
    const std::int64_t count = way / step + (way % step != 0);
    if (count > static_cast<std::int64_t>(kMaxJobs))
      fail("range(…) has ", count, " values; a sweep has at most ", kMaxJobs, " jobs");
    std::vector<std::string> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(text_of(start + i * step, decimals));
    return values;
  }

  Decimal decimal(std::string_view text) const {
    const auto malformed = [&] { fail("\"", text, "\" is not a number"); };
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    Decimal d;
    bool point = false, any = false;
    for (; !rest.empty() && (rest[0] == '.' || (rest[0] >= '0' && rest[0] <= '9')); rest.remove_prefix(1)) {
      if (rest[0] == '.') {
        if (std::exchange(point, true)) malformed();
        continue;
      }
      any = true;
      if (d.mantissa > kLargest / 10) too_long(text);
      d.mantissa = 10 * d.mantissa + (rest[0] - '0');
      d.decimals += point;
    }
    if (!any) malformed();
    if (rest.starts_with('e') || rest.starts_with('E')) {
      rest.remove_prefix(1);
      if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
      int exponent = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
      if (error == std::errc::invalid_argument || end != rest.data() + rest.size()) malformed();
      if (error != std::errc{} || std::abs(exponent) > 100) too_long(text);
      d.decimals -= exponent;
      rest = {};
    }
    if (!rest.empty()) malformed();
    if (d.mantissa == 0) return {};
    while (d.mantissa % 10 == 0) d.mantissa /= 10, --d.decimals;
    if (d.decimals > kMostDecimals) too_long(text);
    for (; d.decimals < 0; ++d.decimals) {
      if (d.mantissa > kLargest / 10) too_long(text);
      d.mantissa *= 10;
    }
    if (negative) d.mantissa = -d.mantissa;
    return d;
  }

  [[noreturn]] void too_long(std::string_view text) const {
    fail("\"", text, "\" has too many digits for range(…), expected at most 17, ", kMostDecimals,
         " of them behind the point");
  }

  std::int64_t scaled(Decimal d, int decimals) const {
    for (; d.decimals < decimals; ++d.decimals) {
      if (std::abs(d.mantissa) > kLargest / 10)
        fail("the numbers of range(…) together have too many digits, expected at most 17");
      d.mantissa *= 10;
    }
    return d.mantissa;
  }

  static std::string text_of(std::int64_t value, int decimals) {
    std::string digits = str_cat(std::abs(value));
    const auto behind = static_cast<std::size_t>(decimals);
    if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
    if (behind > 0) {
      digits.insert(digits.size() - behind, 1, '.');
      digits.erase(digits.find_last_not_of('0') + 1);
      if (digits.back() == '.') digits.pop_back();
    }
    return value < 0 ? str_cat('-', digits) : digits;
  }

  std::string_view assignment_;
};

}  // namespace

Sweep parse_sweep(std::string_view assignment) { return SweepText(assignment).parse(); }

}  // namespace minivit::cli
