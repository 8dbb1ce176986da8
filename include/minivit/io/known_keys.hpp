// Keys of configuration files: every one is understood, known to be without effect, or refused by name.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string_view>

#include "minivit/core/check.hpp"
#include "minivit/io/json.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// Names of keys.
using Keys = std::span<const std::string_view>;

inline bool contains(Keys keys, std::string_view key) { return std::ranges::find(keys, key) != keys.end(); }

/// Throws FileError that names the first member of `object` that is in none of `known`. where: of the object,
/// as "config.json: model_args."
inline void refuse_unknown_keys(const io::Json& object, std::string_view where,
                                std::initializer_list<Keys> known) {
  for (const auto& [key, value] : object.items()) {
    const std::string_view name = key;
    const bool found = std::ranges::any_of(known, [&](Keys keys) { return contains(keys, name); });
    if (!found && !value.is_null())
      throw FileError(str_cat(where, io::detail::in_quotes(name),
                              " is not known here, and what it changes in the model neither; if it changes "
                              "nothing, take it out"));
  }
}

}  // namespace minivit::inline MINIVIT_ABI::detail
