// Runs by the data that they were trained and measured on: accuracies of others cannot be compared.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "run_info.hpp"

namespace minivit::cli {

/// The data of a run in words, `photos, 0.2 of it for validation`; "not known" if its settings cannot be
/// read. Runs with the same words have the same data.
std::string data_of(const RunInfo& run);

/// Runs of the same data.
struct DataGroup {
  std::string data;
  std::vector<RunInfo> runs;
};

/// The runs by their data: within a group in their order, the group of the newest run (by number) last.
std::vector<DataGroup> by_data(std::span<const RunInfo> runs);

}  // namespace minivit::cli
