// A sweep: the settings to try, as they are written, and the jobs that they make. No files, nothing is run.
//
//   training.lr=0.001,0.0005          each of these
//   training.lr=choice(0.001,0.0005)  the same
//   model.num_layers=range(4,10,2)    4, 6, 8: without the end
//   training.lr=loguniform(1e-4,1e-2) drawn for each job (also uniform, randint), for the random sampler only
//
// The grammar is that of Hydra's sweeps, as far as it goes.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The most jobs of a sweep. What would have more is refused before they are made.
inline constexpr std::size_t kMaxJobs = 10000;

/// A distribution to draw a value from: uniform(a,b), loguniform(a,b) or randint(a,b), ends included.
struct Draw {
  enum class Kind { uniform, loguniform, randint } kind = Kind::uniform;
  double low = 0, high = 0;          ///< of uniform and loguniform, low < high
  std::int64_t first = 0, last = 0;  ///< of randint, first ≤ last
};

/// A setting and what to try for it.
struct Sweep {
  std::string name;                 ///< as it is written, a leading + included
  std::string text;                 ///< behind the =, as it is written
  std::vector<std::string> values;  ///< one or more, without the quotes around them; none if it is drawn
  std::optional<Draw> draw;
};

/// One training of a sweep: its number, from 0 on, and its settings `name=value`.
struct Job {
  int number = 0;
  std::vector<std::string> overrides;
};

namespace detail {

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
    detail::fail<ConfigError>({"\"", assignment_, "\": ", parts...});
  }

  static std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n");
    return first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1);
  }

  /// The position behind the quoted text that begins at `at`.
  std::size_t behind_quotes(std::string_view text, std::size_t at) const {
    const char quote = text[at];
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == quote)
        return i + 1;
    }
    fail("the quote ", quote, " is not closed");
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
        i = behind_quotes(text, i) - 1;
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
    const bool quoted = (part[0] == '"' || part[0] == '\'') && behind_quotes(part, 0) == part.size();
    if (!quoted) return std::string(part);
    std::string out;
    for (std::size_t i = 1; i + 1 < part.size(); ++i) {
      if (part[i] == '\\' && (part[i + 1] == '\\' || part[i + 1] == part[0])) ++i;
      out += part[i];
    }
    return out;
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
    std::string_view digits = text;
    if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    bool good = error == std::errc{} && end == digits.data() + digits.size();
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
             arguments.size() == 3 ? concat(" in steps of ", arguments[2]) : std::string());
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
    std::string digits = concat(std::abs(value));
    const auto behind = static_cast<std::size_t>(decimals);
    if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
    if (behind > 0) {
      digits.insert(digits.size() - behind, 1, '.');
      digits.erase(digits.find_last_not_of('0') + 1);
      if (digits.back() == '.') digits.pop_back();
    }
    return value < 0 ? concat('-', digits) : digits;
  }

  std::string_view assignment_;
};

/// Without the + of a setting that is added: `+a` and `a` are the same name.
inline std::string_view plain_name(std::string_view name) {
  while (name.starts_with('+')) name.remove_prefix(1);
  return name;
}

inline void refuse_repeated_names(std::span<const Sweep> sweeps) {
  std::set<std::string_view> names;
  for (const Sweep& sweep : sweeps)
    check<ConfigError>(names.insert(plain_name(sweep.name)).second, sweep.name,
                       " appears twice in the sweep; write its values in one list, as ", sweep.name, "=1,2");
}

/// 64 random bits.
inline std::uint64_t random_bits(Rng& rng) {
  const std::uint64_t high = rng.next();
  return high << 32 | rng.next();
}

/// A value drawn from the distribution. Numbers have six digits: more are no use, and the title is read.
inline std::string drawn(const Draw& draw, Rng& rng) {
  if (draw.kind == Draw::Kind::randint) {
    const std::uint64_t span = static_cast<std::uint64_t>(draw.last) - static_cast<std::uint64_t>(draw.first);
    std::uint64_t mask = span, bits = 0;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    do bits = random_bits(rng) & mask;
    while (bits > span);
    return concat(static_cast<std::int64_t>(static_cast<std::uint64_t>(draw.first) + bits));
  }
  const double u = static_cast<double>(random_bits(rng) >> 11) * 0x1p-53;
  double x = draw.kind == Draw::Kind::uniform
                 ? (1 - u) * draw.low + u * draw.high
                 : std::exp((1 - u) * std::log(draw.low) + u * std::log(draw.high));
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x, std::chars_format::general, 6).ptr;
  std::from_chars(text, end, x);
  return concat(std::clamp(x, draw.low, draw.high));
}

/// How many different jobs there are; the largest number if there are more than 64 bits can say, or if a
/// number with a fraction is drawn.
inline std::uint64_t different_jobs(std::span<const std::vector<std::string>> values,
                                    std::span<const Sweep> sweeps) {
  constexpr std::uint64_t kMany = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t product = 1;
  for (std::size_t i = 0; i < sweeps.size(); ++i) {
    const auto& draw = sweeps[i].draw;
    std::uint64_t n = values[i].size();
    if (draw && draw->kind != Draw::Kind::randint) return kMany;
    if (draw) n = static_cast<std::uint64_t>(draw->last) - static_cast<std::uint64_t>(draw->first);
    if (draw && n++ == kMany) return kMany;
    if (product > kMany / n) return kMany;
    product *= n;
  }
  return product;
}

}  // namespace detail

/// Reads `name=…` as described at the top of this file. Commas in quotes ('…' or "…", in which a backslash
/// stands before a quote or a backslash) and in (), [], {} do not separate. A text without commas is one
/// value, nothing at all the empty one. Throws ConfigError if it is not well-formed: a value is empty, a
/// quote or bracket is not closed, a number is none, a range is empty, has a step of 0, or over kMaxJobs
/// values.
inline Sweep parse_sweep(std::string_view assignment) { return detail::SweepText(assignment).parse(); }

/// All combinations; the values of the last name change fastest. Throws ConfigError if a name appears twice,
/// a value is to be drawn, or there would be more than kMaxJobs.
inline std::vector<Job> grid(std::span<const Sweep> sweeps) {
  detail::refuse_repeated_names(sweeps);
  constexpr std::uint64_t kMany = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t count = 1;
  bool overflow = false;
  for (const Sweep& sweep : sweeps) {
    check<ConfigError>(!sweep.draw, sweep.name, "=", sweep.text, " needs --sampler random");
    check<ConfigError>(!sweep.values.empty(), sweep.name, " has no values");
    overflow = overflow || count > kMany / sweep.values.size();
    if (!overflow) count *= sweep.values.size();
  }
  check<ConfigError>(
      !overflow && count <= kMaxJobs, "the sweep has ", overflow ? "more than " : "",
      overflow ? kMany : count, " jobs, at most ", kMaxJobs,
      " are accepted; give fewer values, or try some of them with --sampler random --trials N");
  std::vector<Job> jobs(static_cast<std::size_t>(count));
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    jobs[j].number = static_cast<int>(j);
    std::size_t rest = jobs.size(), index = j;
    for (const Sweep& sweep : sweeps) {
      rest /= sweep.values.size();
      jobs[j].overrides.push_back(concat(sweep.name, '=', sweep.values[index / rest]));
      index %= rest;
    }
  }
  return jobs;
}

/// `trials` jobs with values drawn independently, uniformly from lists. No two are equal as long as there are
/// different ones; then all come once more. A job depends on the seed and the jobs before it alone, so that
/// more trials begin with the same. Throws ConfigError if a name appears twice or trials is not from 1 to
/// kMaxJobs.
inline std::vector<Job> random_jobs(std::span<const Sweep> sweeps, std::int64_t trials, std::uint64_t seed) {
  detail::refuse_repeated_names(sweeps);
  check<ConfigError>(trials >= 1, "--trials is ", trials, ", expected 1 or more");
  check<ConfigError>(trials <= static_cast<std::int64_t>(kMaxJobs), "the sweep has ", trials,
                     " jobs, at most ", kMaxJobs, " are accepted");
  std::vector<std::vector<std::string>> values;  // each once
  for (const Sweep& sweep : sweeps) {
    check<ConfigError>(sweep.draw || !sweep.values.empty(), sweep.name, " has no values");
    std::set<std::string_view> seen;
    values.emplace_back();
    for (const std::string& value : sweep.values)
      if (seen.insert(value).second) values.back().push_back(value);
  }
  const std::uint64_t different = detail::different_jobs(values, sweeps);
  // With fractions nobody knows when the last one is found: rounded to six digits, a narrow range has few.
  constexpr std::uint32_t kMostAttempts = 1000;
  const bool fractions = different == std::numeric_limits<std::uint64_t>::max();
  std::vector<Job> jobs;
  std::set<std::vector<std::string>> taken;
  for (std::int64_t trial = 0; trial < trials; ++trial) {
    if (taken.size() == different) taken.clear();
    Job job{static_cast<int>(trial), {}};
    for (std::uint32_t attempt = 0;; ++attempt) {
      Rng rng(seed, static_cast<std::uint64_t>(trial), attempt);
      job.overrides.clear();
      for (std::size_t i = 0; i < sweeps.size(); ++i) {
        const auto n = static_cast<std::uint32_t>(values[i].size());
        job.overrides.push_back(
            concat(sweeps[i].name, '=',
                   sweeps[i].draw ? detail::drawn(*sweeps[i].draw, rng) : values[i][rng.below(n)]));
      }
      if (taken.insert(job.overrides).second || (fractions && attempt >= kMostAttempts)) break;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

/// The line that announces a job: `#0 : model.num_layers=4 training.lr=0.001`.
inline std::string job_title(const Job& job) {
  std::string out = concat('#', job.number, " :");
  for (const std::string& override_text : job.overrides) out += concat(' ', override_text);
  return out;
}

/// A stretch of successive halving: the epochs [begin, end) that the jobs train which are still there.
struct Rung {
  std::int64_t begin = 0, end = 0;
  friend bool operator==(const Rung&, const Rung&) = default;
};

/// The rungs of a training of `epochs` epochs that is halved after these fractions of them, each rounded to a
/// whole epoch: {0.25, 0.5} of 20 gives [0, 5), [5, 10), [10, 20). Throws ConfigError if the fractions are
/// not between 0 and 1 and rising, or fall on the same epoch, the first or the last.
inline std::vector<Rung> halving_rungs(std::int64_t epochs, std::span<const double> fractions) {
  check<ConfigError>(epochs >= 1, "halving: there are ", epochs, " epochs, expected 1 or more");
  std::vector<Rung> rungs;
  std::int64_t begin = 0;
  double before = 0;
  for (const double fraction : fractions) {
    check<ConfigError>(fraction > before && fraction<1, "halving: the fraction ", fraction, before> 0
                           ? concat(" follows ", before)
                           : std::string(),
                       ", expected rising numbers between 0 and 1, as 0.25,0.5");
    const auto end = static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(epochs)));
    check<ConfigError>(end > begin && end < epochs, "halving: ", fraction, " of ", epochs,
                       " epochs is epoch ", end, ", expected one after ", begin, " and before ", epochs,
                       "; train more epochs or halve less often");
    rungs.push_back({begin, end});
    begin = end, before = fraction;
  }
  rungs.push_back({begin, epochs});
  return rungs;
}

/// How good a job is at the end of a rung.
struct RungResult {
  int job = 0;
  std::optional<double> val_acc;  ///< best validation accuracy; nothing (or not a number) if it failed
};

/// The numbers, rising, of the jobs that go on: of those that did not fail the better half, the odd one
/// included; of equals the earlier.
inline std::vector<int> survivors(std::span<const RungResult> results) {
  std::vector<RungResult> good;
  for (const RungResult& r : results)
    if (r.val_acc && !std::isnan(*r.val_acc)) good.push_back(r);
  std::sort(good.begin(), good.end(), [](const RungResult& a, const RungResult& b) {
    return *a.val_acc != *b.val_acc ? *a.val_acc > *b.val_acc : a.job < b.job;
  });
  std::vector<int> jobs;
  for (std::size_t i = 0; i < (good.size() + 1) / 2; ++i) jobs.push_back(good[i].job);
  std::sort(jobs.begin(), jobs.end());
  return jobs;
}

}  // namespace minivit::inline MINIVIT_ABI
