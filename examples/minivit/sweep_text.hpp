// Grammar of a sweep:
//
//   training.lr=0.001,0.0005          each of these
//   training.lr=choice(0.001,0.0005)  the same
//   model.num_layers=range(4,10,2)    4, 6, 8: without the end
//   training.lr=loguniform(1e-4,1e-2) drawn for each job (also uniform, randint), for the random sampler only
//
// The grammar is that of Hydra's sweeps, as far as it goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minivit::cli {

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

/// Reads `name=…` as described at the top of this file. Commas in quotes ('…' or "…", in which a backslash
/// stands before a quote or a backslash) and in (), [], {} do not separate. A text without commas is one
/// value, nothing at all the empty one. Throws ConfigError if it is not well-formed: a value is empty, a
/// quote or bracket is not closed, a number is none, a range is empty, has a step of 0, or over kMaxJobs
/// values.
Sweep parse_sweep(std::string_view assignment);

}  // namespace minivit::cli
