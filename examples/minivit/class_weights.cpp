// Class weights, read and counted.
#include "class_weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"

namespace minivit::cli {

std::vector<float> parse_class_weights(std::string_view text) {
  std::vector<float> weights;
  if (text == "none" || text == "balanced") return weights;
  constexpr std::string_view kBetween = " ,";
  for (std::string_view rest = text;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kBetween), rest.size()));
    if (rest.empty()) break;
    const std::string_view number = rest.substr(0, rest.find_first_of(kBetween));
    float weight = 0;
    check<ConfigError>(detail::parse_number(number, weight) && std::isfinite(weight) && weight > 0,
                       "training.class_weights is \"", text, "\": \"", number,
                       "\" is no weight; expected none, balanced, or a number above 0 for each class");
    weights.push_back(weight);
    rest.remove_prefix(number.size());
  }
  check<ConfigError>(!weights.empty(), "training.class_weights is \"", text,
                     "\", expected none, balanced, or a number above 0 for each class");
  return weights;
}

std::vector<float> class_weights(std::string_view text, std::span<const int> labels,
                                 const std::vector<std::string>& classes) {
  std::vector<float> weights = parse_class_weights(text);
  if (text == "balanced") {
    std::vector<std::int64_t> images(classes.size());
    for (const int label : labels) ++images[static_cast<std::size_t>(label)];
    for (const std::int64_t n : images)  // a class without images is seen in no loss
      weights.push_back(static_cast<float>(
          static_cast<double>(labels.size()) /
          (static_cast<double>(classes.size()) * static_cast<double>(std::max<std::int64_t>(n, 1)))));
  }
  if (weights.empty()) return weights;
  std::string names;
  for (std::size_t i = 0; i < classes.size() && i < 10; ++i) names += str_cat(i ? ", " : "", classes[i]);
  check<ConfigError>(weights.size() == classes.size(), "training.class_weights has ", weights.size(),
                     " weights, there are ", classes.size(), " classes: ", names,
                     classes.size() > 10 ? ", …" : "");
  return weights;
}

}  // namespace minivit::cli
