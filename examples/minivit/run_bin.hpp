// The bin: where deleted runs are kept until somebody removes it.
#pragma once

#include <filesystem>
#include <span>

namespace minivit::cli {

/// The hidden folder of this name is in each folder with runs; find_runs does not look into it.
inline constexpr const char* kBin = ".bin";

/// Moves the folder of a run or sweep into the bin of the folder among `roots` that it lies in, else of the
/// folder that holds it, under its path there (with _2, _3, … behind it if the bin has that name), and
/// returns where it is now. Throws FileError if a run is being trained there, or if it cannot be moved: then
/// it is where it was.
std::filesystem::path move_to_bin(const std::filesystem::path& folder,
                                  std::span<const std::filesystem::path> roots);

}  // namespace minivit::cli
