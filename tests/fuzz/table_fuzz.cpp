// Fuzzes what is read of a run: tables of numbers, the history, the result.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "csv.hpp"
#include "fuzz/require.hpp"
#include "minivit/core/check.hpp"
#include "minivit/io/json.hpp"
#include "run_files.hpp"

namespace {

using namespace minivit;
using namespace minivit::cli;

template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const FileError& error) { require(std::string_view(error.what()).starts_with("fuzz")); }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_or_refuse([&] {
    const CsvTable table = parse_csv(text, "fuzz");
    for (const auto& row : table.rows) require(row.size() == table.names.size());
  });

  RunInfo run;
  add_history(run, text);  // whatever it is
  require(!run.best_val_acc || std::isfinite(*run.best_val_acc));
  require(!run.epochs_done || *run.epochs_done >= 0);
  read_or_refuse([&] {
    RunInfo result;
    add_result(result, io::parse_json(text, "fuzz"), "fuzz");
  });
  return 0;
}
