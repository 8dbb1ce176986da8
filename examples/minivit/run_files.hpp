// Files of a run that tell how it went: result.json, training_history.csv.
#pragma once

#include <string>
#include <string_view>

#include "minivit/io/json.hpp"
#include "run_info.hpp"

namespace minivit::cli {

/// Takes from a result.json what is there and of the expected type; `name` is what messages call it. Throws
/// FileError if it is no object.
void add_result(RunInfo& run, const io::Json& result, const std::string& name);

/// Takes epochs, seconds and the best accuracy from the text of a training_history.csv. A line that is not
/// complete, or not of numbers, is left out.
void add_history(RunInfo& run, std::string_view text);

}  // namespace minivit::cli
