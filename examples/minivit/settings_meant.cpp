// The setting that was probably meant by a name that is none.
#include <algorithm>
#include <optional>

#include "settings.hpp"
#include "synonyms.hpp"

namespace minivit::cli {

namespace {

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// So many changes still make it a misspelled word.
std::size_t most_changes(std::string_view word) { return word.size() <= 4 ? 1 : word.size() <= 8 ? 2 : 3; }

/// The edit distance of `text` from `word`, if that still makes it a misspelled one.
std::optional<std::size_t> changes(std::string_view text, std::string_view word) {
  const std::size_t most = most_changes(word);
  // What is much longer or shorter needs no comparing, which takes time.
  if (text.size() > word.size() + most || word.size() > text.size() + most) return std::nullopt;
  const std::size_t distance = edit_distance(text, word);
  return distance <= most ? std::optional(distance) : std::nullopt;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string Settings::meant(std::string_view name) const {
  const std::string plain = plain_spelling(name);
  // A synonym, if it is one of a setting that there is.
  const auto synonym = [&](std::string_view word) {
    const std::string_view meaning = synonym_of(word);
    const bool known = is_advice(meaning) || contains(meaning.substr(0, meaning.find('=')));
    return known ? std::string(meaning) : std::string();
  };
  for (const Entry& e : entries_)
    if (e.name == plain) return e.name;
  if (std::string meaning = synonym(plain); !meaning.empty()) return meaning;
  // A forgotten or wrong section is the commonest mistake.
  for (const Entry& e : entries_)
    if (last_part(e.name) == last_part(plain)) return e.name;
  if (std::string meaning = synonym(last_part(plain)); !meaning.empty()) return meaning;
  const Entry* best = nullptr;
  std::size_t least = 0;
  for (const Entry& e : entries_) {
    for (const std::string_view word : {std::string_view(e.name), last_part(e.name)})
      if (const auto distance = changes(plain, word); distance && (!best || *distance < least))
        best = &e, least = *distance;
  }
  return best && !plain.empty() ? best->name : std::string();
}

std::string Settings::meant_value(const Entry& entry, std::string_view value) {
  const std::string plain = plain_spelling(value);
  const std::string_view synonym = synonym_of(value);
  if (synonym.starts_with(str_cat(entry.name, '=')))
    return str_cat("; did you mean ", synonym.substr(entry.name.size() + 1), "?");
  for (const std::string& word : entry.words)
    if (!plain.empty() && changes(plain, word)) return str_cat("; did you mean ", word, "?");
  return {};
}

}  // namespace minivit::cli
