// The jobs of a grid and of a random sampler.
#include "sweep.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "quotes.hpp"

namespace minivit::cli {

namespace {

void refuse_repeated_names(std::span<const Sweep> sweeps) {
  std::set<std::string_view> names;
  for (const Sweep& sweep : sweeps)
    check<ConfigError>(names.insert(plain_name(sweep.name)).second, sweep.name,
                       " appears twice in the sweep; write its values in one list, as ", sweep.name, "=1,2");
}

/// 64 random bits.
std::uint64_t random_bits(Rng& rng) {
  const std::uint64_t high = rng.next();
  return high << 32 | rng.next();
}

/// A value drawn from the distribution. Numbers have six digits: more are no use, and the title is read.
std::string drawn(const Draw& draw, Rng& rng) {
  if (draw.kind == Draw::Kind::randint) {
    const std::uint64_t span = static_cast<std::uint64_t>(draw.last) - static_cast<std::uint64_t>(draw.first);
    std::uint64_t mask = span, bits = 0;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    do bits = random_bits(rng) & mask;
    while (bits > span);
    return str_cat(static_cast<std::int64_t>(static_cast<std::uint64_t>(draw.first) + bits));
  }
  const double u = static_cast<double>(random_bits(rng) >> 11) * 0x1p-53;
  double x = draw.kind == Draw::Kind::uniform
                 ? (1 - u) * draw.low + u * draw.high
                 : std::exp((1 - u) * std::log(draw.low) + u * std::log(draw.high));
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x, std::chars_format::general, 6).ptr;
  std::from_chars(text, end, x);
  return str_cat(std::clamp(x, draw.low, draw.high));
}

/// How many different jobs there are; the largest number if there are more than 64 bits can say, or if a
/// number with a fraction is drawn.
std::uint64_t different_jobs(std::span<const std::vector<std::string>> values,
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

/// The setting of a job as apply_override takes it.
std::string override_text(std::string_view name, std::string_view value) {
  return str_cat(name, '=', with_quotes_if_needed(value));
}

}  // namespace

std::string_view plain_name(std::string_view name) {
  while (name.starts_with('+')) name.remove_prefix(1);
  return name;
}

std::vector<Job> grid(std::span<const Sweep> sweeps) {
  refuse_repeated_names(sweeps);
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
      jobs[j].overrides.push_back(override_text(sweep.name, sweep.values[index / rest]));
      index %= rest;
    }
  }
  return jobs;
}

std::vector<Job> random_jobs(std::span<const Sweep> sweeps, std::int64_t trials, std::uint64_t seed) {
  refuse_repeated_names(sweeps);
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
  const std::uint64_t different = different_jobs(values, sweeps);
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
        job.overrides.push_back(override_text(
            sweeps[i].name, sweeps[i].draw ? drawn(*sweeps[i].draw, rng) : values[i][rng.below(n)]));
      }
      if (taken.insert(job.overrides).second || (fractions && attempt >= kMostAttempts)) break;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::string job_title(const Job& job) {
  std::string out = str_cat('#', job.number, " :");
  for (const std::string& override_text : job.overrides) out += str_cat(' ', override_text);
  return out;
}

}  // namespace minivit::cli
