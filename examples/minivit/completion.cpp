// A completion script, written from what subcommands, options and settings there are.
#include "completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "minivit/core/check.hpp"
#include "settings.hpp"
#include "train_config.hpp"

namespace minivit::cli {

namespace {

/// The words with a blank between them.
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += str_cat(out.empty() ? "" : " ", word);
  return out;
}

/// The names of an option as they are typed.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

/// What follows an option: nothing, one of some words, or anything.
struct Values {
  bool any = false;
  std::string words;
};

Values values_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return {};
  const std::string type = option.get_type_name();  // TEXT:{grid,random}
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return {true, {}};
  std::string words = type.substr(begin + 1, end - begin - 1);
  for (char& c : words)
    if (c == ',') c = ' ';
  return {true, words};
}

/// The branch of a subcommand: `options` are completed, and what follows one that takes a value.
std::string branch(const Command& command) {
  CLI::App app;
  command.setup(app);
  std::vector<std::string> names;
  std::string values;
  std::vector<const CLI::App*> apps{&app};
  for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
    apps.push_back(inner);
    if (!inner->get_name().empty()) names.push_back(inner->get_name());
  }
  for (const CLI::App* one : apps)
    for (const CLI::Option* option : one->get_options()) {
      const std::vector<std::string> all = names_of(*option);
      const Values v = values_of(*option);
      for (const std::string& name : all)
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      if (!v.any || all.empty()) continue;
      std::string pattern;
      for (const std::string& name : all) pattern += str_cat(pattern.empty() ? "" : "|", name);
      values +=
          str_cat("        ", pattern, ") ",
                  v.words.empty() ? std::string("files=yes") : str_cat("words='", v.words, "'"), " ;;\n");
    }
  return str_cat("    ", command.name, ")\n      options='", joined(names), "'\n      case $previous in\n",
                 values, "        *) return 1 ;;\n      esac ;;\n");
}

constexpr std::string_view kBegin =
    R"(# Completes what is typed behind `minivit` in bash:   source <(minivit --completion bash)

# Sets `options` of a subcommand and, if an option in front wants a value, `words` or `files`; 1 if none does.
_minivit_options() {
  case $1 in
)";
constexpr std::string_view kSettings = R"(    *) return 1 ;;
  esac
}

# Sets `words` to the values that a setting may have; 1 if it may have any.
_minivit_values() {
  case $1 in
)";
constexpr std::string_view kEnd = R"(    *) return 1 ;;
  esac
}

_minivit() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local options='' words='' files='' name=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$_minivit_commands --help --version --completion" -- "$current")
    return
  fi
  # The shell takes name=value apart at the equals sign.
  if [[ $command == *train && $previous == '=' ]]; then
    name=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $command == *train && $current == '=' ]]; then
    name=$previous current=''
  fi
  if [[ -n $name && $name != -* ]]; then
    _minivit_values "$name" || files=yes
  elif ! _minivit_options "$command"; then
    words=$options
    case $command in
      train) words+=" $_minivit_settings" ;;
      pretrain) words+=" $_minivit_pretrain_settings" ;;
    esac
    files=yes
  fi
  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ -n $files && $current != -* ]]; then
    local -a found
    mapfile -t found < <(compgen -f -- "$current")
    COMPREPLY+=("${found[@]}")
    compopt -o filenames 2>/dev/null
  fi
  # A setting goes on with its value.
  [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
  return 0
}
complete -F _minivit minivit
)";

}  // namespace

std::string bash_completion() {
  std::string branches, values;
  std::vector<std::string> names, settings, pretrain_settings;
  for (const Command* command : commands()) {
    names.emplace_back(command->name);
    branches += branch(*command);
  }
  TrainConfig defaults, of_pretraining(Task::pretrain);
  const Settings schema = defaults.settings(), others = of_pretraining.settings();
  const auto add_values = [&](const Settings& from, const std::string& name) {
    if (const std::string words = joined(from.words(name)); !words.empty())
      values += str_cat("    ", name, ") words='", words, "' ;;\n");
  };
  for (const auto& [name, value] : schema.values()) {
    settings.push_back(name + "=");
    add_values(schema, name);
  }
  for (const auto& [name, value] : others.values()) {
    pretrain_settings.push_back(name + "=");
    if (!schema.contains(name)) add_values(others, name);
  }
  std::string out(kBegin);
  out += branches;
  out += kSettings;
  out += values;
  out += kEnd;
  return str_cat(out, "_minivit_commands='", joined(names), "'\n_minivit_settings='", joined(settings),
                 "'\n_minivit_pretrain_settings='", joined(pretrain_settings), "'\n");
}

}  // namespace minivit::cli
