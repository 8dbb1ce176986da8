// Names that other programs give to the settings: those of PyTorch, timm, ultralytics, Keras and
// transformers.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace minivit::cli {

/// A name as it is compared: in lower case, without dashes in front, with _ for -.
std::string plain_spelling(std::string_view name);

/// What `word` of another program is called here: a setting ("training.lr"), a setting with its value
/// ("training.optimizer=adamw"), or, with blanks in it, a sentence about what there is in its place. Empty if
/// the table does not have it.
std::string_view synonym_of(std::string_view word);

/// Calls f(word, meaning) for all of the table.
void for_each_synonym(const std::function<void(std::string_view word, std::string_view meaning)>& f);

/// True if what `synonym_of` returned is a sentence.
inline bool is_advice(std::string_view meaning) { return meaning.find(' ') != std::string_view::npos; }

}  // namespace minivit::cli
