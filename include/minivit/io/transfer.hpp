// Beginning with what another model has learned.
#pragma once

#include <string>
#include <vector>

#include "minivit/io/image_classifier.hpp"
#include "minivit/io/name_list.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Copies the weights of `from` into `net`, which must be of the same sizes. The head is copied only if it is
/// for the same classes in the same order, else it stays as it is: new. Returns whether it was copied. Throws
/// ConfigError that names the weights whose shapes differ; `net` is then unchanged.
inline bool take_weights(VisionTransformer& net, const std::vector<std::string>& labels, ModelBundle& from) {
  const bool same_head = labels == from.labels;
  const std::vector<NamedParameter> ours = named_parameters(net), theirs = named_parameters(from.net);
  const auto find = [&](const std::string& name) -> const Parameter* {
    for (const NamedParameter& p : theirs)
      if (p.name == name) return p.parameter;
    return nullptr;
  };
  const auto skipped = [&](const std::string& name) { return !same_head && name.starts_with("head."); };
  detail::NameList problems("");
  for (const auto& [name, p] : ours) {
    if (skipped(name)) continue;
    const Parameter* other = find(name);
    if (!other || !(other->value.shape() == p->value.shape()))
      problems.add(str_cat(name, " is ", other ? other->value.shape().str() : "missing", ", expected ",
                           p->value.shape()));
  }
  check<ConfigError>(problems.text().empty(), "the weights do not fit the model's sizes: ", problems.text());
  check<ConfigError>(ours.size() == theirs.size(), "the weights are of a model with ", theirs.size(),
                     " parameters, expected ", ours.size());
  for (const auto& [name, p] : ours)
    if (!skipped(name)) p->value.copy_from(find(name)->value);
  return same_head;
}

}  // namespace minivit::inline MINIVIT_ABI
