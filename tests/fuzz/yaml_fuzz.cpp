// Fuzzes what says how to train: YAML, lists, overrides of the command line, sweeps.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/require.hpp"
#include "minivit/core/check.hpp"
#include "overrides.hpp"
#include "sweep_text.hpp"
#include "train_config.hpp"
#include "yaml.hpp"

namespace {

using namespace minivit;
using namespace minivit::cli;

/// Anything may be refused, with a message.
template <class Read>
bool read_or_refuse(const Read& read) {
  try {
    read();
    return true;
  } catch (const ConfigError& error) { require(*error.what() != '\0'); } catch (const FileError& error) {
    require(*error.what() != '\0');
  }
  return false;
}

/// A configuration that is accepted, written down and read again is the same. Of a pretrained model nothing
/// is looked at.
void configure(const std::vector<Assignment>& assignments) {
  TrainConfig config;
  if (!read_or_refuse([&] { config = TrainConfig::from(assignments, true); })) return;
  const std::string text = config.yaml();
  require(TrainConfig::from(parse_yaml(text, "again"), true).yaml() == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<Assignment> assignments;
  if (read_or_refuse([&] { assignments = parse_yaml(text, "fuzz"); })) configure(assignments);
  static_cast<void>(read_or_refuse([&] { static_cast<void>(parse_yaml_list(text, "fuzz")); }));

  // Its lines as a command line.
  static TrainConfig names;
  static const Settings schema = names.settings();
  assignments = {{"data.train", "photos", {}}};
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + (line.size() < rest.size()));
    static_cast<void>(read_or_refuse([&] { static_cast<void>(parse_sweep(line)); }));
    static_cast<void>(read_or_refuse([&] { apply_override(assignments, line, schema); }));
    static_cast<void>(setting_for_option(line, "", schema));
  }
  configure(assignments);
  return 0;
}
