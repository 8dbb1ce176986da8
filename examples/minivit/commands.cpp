// The list of subcommands.
#include "command.hpp"

namespace minivit::cli {

extern const Command train_command, pretrain_command, predict_command, evaluate_command, explain_command,
    runs_command, export_command, inspect_command, embed_command, probe_command, fetch_command,
    digits_command;

std::span<const Command* const> commands() {
  static constexpr const Command* kAll[] = {&train_command,    &pretrain_command, &predict_command,
                                            &evaluate_command, &explain_command,  &runs_command,
                                            &export_command,   &inspect_command,  &embed_command,
                                            &probe_command,    &fetch_command,    &digits_command};
  return kAll;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : commands())
    if (name == command->name) return command;
  return nullptr;
}

}  // namespace minivit::cli
