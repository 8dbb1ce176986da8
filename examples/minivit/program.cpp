// The program's frame: subcommands, help, version, errors.
#include "program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "command.hpp"
#include "completion.hpp"
#include "minivit/core/check.hpp"
#include "printable.hpp"
#include "settings.hpp"
#include "threads.hpp"
#include "user_path.hpp"
#include "version.hpp"

namespace minivit::cli {

namespace {

std::string help() {
  std::string out =
      "Trains Vision Transformers on folders of images, and uses them.\n\n"
      "Usage: minivit SUBCOMMAND [OPTIONS]\n\nSubcommands:\n";
  for (const Command* command : commands()) out += format("  %-9s  %s\n", command->name, command->summary);
  return out +
         "\nminivit SUBCOMMAND --help says more.\n\n"
         "  --help             this\n"
         "  --version          version, instruction set, threads, libraries\n"
         "  --completion bash  a script that completes what is typed:  source <(minivit --completion "
         "bash)\n\n"
         "Exit codes: 0 done, 1 failed, 2 wrong usage or settings.\n";
}

/// The word that was probably meant by `text`; empty if none is near.
std::string nearest(const std::string& text, const std::vector<std::string>& words) {
  std::string best;
  std::size_t least = std::max<std::size_t>(text.size() / 2, 1) + 1;
  for (const std::string& word : words) {
    // What is much longer or shorter needs no comparing, which takes time.
    if (text.size() >= word.size() + least || word.size() >= text.size() + least) continue;
    if (const std::size_t distance = edit_distance(text, word); distance < least)
      least = distance, best = word;
  }
  return best;
}

/// What others call a subcommand or option of this program.
std::string_view called_here(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"eval", "evaluate"},    {"test", "evaluate"},     {"val", "evaluate"},  {"validate", "evaluate"},
      {"classify", "predict"}, {"inference", "predict"}, {"infer", "predict"}, {"fit", "train"},
      {"finetune", "train"},   {"list", "runs"},         {"ls", "runs"},       {"download", "fetch"},
      {"features", "embed"},   {"convert", "export"},    {"info", "inspect"},  {"-v", "--version"},
      {"-V", "--version"},     {"version", "--version"},
  };
  for (const auto& [theirs, ours] : kNames)
    if (word == theirs) return ours;
  return {};
}

/// What CLI11 says of missing arguments, in the words of the other messages.
std::string in_our_words(const std::string& problem) {
  const auto between = [&](std::string_view begin, std::string_view end) -> std::string {
    if (!problem.starts_with(begin) || !problem.ends_with(end)) return {};
    std::string inside = problem.substr(begin.size(), problem.size() - begin.size() - end.size());
    for (std::size_t at = 0; (at = inside.find(",--", at)) != std::string::npos; at += 2)
      inside.replace(at, 1, ", ");
    return inside;
  };
  if (const std::string options = between("Exactly 1 option from [", "] is required"); !options.empty())
    return str_cat("expected one of ", options);
  if (const std::string options = between("Requires at most 1 options be given from [", "]");
      !options.empty())
    return str_cat("expected only one of ", options);
  if (const std::string name = between("", " is required"); !name.empty()) return str_cat("expected ", name);
  if (const std::size_t at = problem.find(": 1 required "); at != std::string::npos)
    return str_cat(problem.substr(0, at), ": expected a value");
  return problem;
}

/// What is wrong with the arguments of a subcommand, and the option that was probably meant.
std::string usage_problem(const Command& command, const CLI::App& app, const CLI::ParseError& error,
                          std::span<const char* const> arguments) {
  std::string problem = error.what();
  std::replace(problem.begin(), problem.end(), '\n', ' ');
  if (command.instead_of && dynamic_cast<const CLI::ExtrasError*>(&error))
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string_view option = arguments[i];
      const std::string_view next = i + 1 < arguments.size() ? arguments[i + 1] : "";
      if (!option.starts_with('-') || problem.find(option) == std::string::npos) continue;
      const std::string instead = command.instead_of(option, next.starts_with('-') ? "" : next);
      if (!instead.empty()) return str_cat("there is no option ", option, "; ", instead);
    }
  const std::size_t at = problem.find("--");
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr || at == std::string::npos)
    return in_our_words(problem);
  std::vector<std::string> options;
  std::vector<const CLI::App*> apps = app.get_subcommands([](const CLI::App*) { return true; });
  apps.push_back(&app);  // groups of options are among the others
  for (const CLI::App* one : apps)
    for (const CLI::Option* option : one->get_options())
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  const std::string meant = nearest(problem.substr(at, problem.find_first_of(" =", at) - at), options);
  return meant.empty() ? problem : str_cat(problem, "; did you mean ", meant, "?");
}

/// Arguments with the home folder in the place of ~ in ~/photos and --out=~/photos, which the shell leaves as
/// they are. In `~training.lr` it means something else.
std::vector<std::string> with_home(std::span<const char* const> arguments) {
  std::vector<std::string> out;
  for (const std::string_view argument : arguments) {
    const std::size_t value = argument.starts_with("--") ? argument.find('=') + 1 : 0;
    const bool at_home = argument.substr(value).starts_with("~/");
    out.push_back(at_home ? str_cat(argument.substr(0, value), expand_home(argument.substr(value)))
                          : std::string(argument));
  }
  return out;
}

int run_command(const Command& command, int argc, const char* const* argv) {
  const std::string name = str_cat("minivit ", command.name);
  CLI::App app(command.summary, name);
  const std::function<int()> body = command.setup(app);
  const std::vector<std::string> arguments = with_home({argv, argv + argc});
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  try {
    app.parse(argc, pointers.data());
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    std::fprintf(stderr, "%s: %s\n%s --help says what there is\n", name.c_str(),
                 printable(usage_problem(command, app, e, {argv + 1, argv + argc})).c_str(), name.c_str());
    return 2;
  }
  return run_program(name, [&] {
    if (command.computes) start_threads();
    return body();
  });
}

}  // namespace

int run_minivit(int argc, const char* const* argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (const Command* command = find_command(first)) return run_command(*command, argc - 1, argv + 1);
  if (first == "--help" || first == "-h" || first == "help") {
    if (const Command* command = argc > 2 ? find_command(argv[2]) : nullptr) {
      const char* const ask[] = {command->name, "--help"};
      return run_command(*command, 2, ask);
    }
    std::fputs(help().c_str(), stdout);
    return 0;
  }
  if (first == "--version") {
    std::fputs(version_text().c_str(), stdout);
    return 0;
  }
  return run_program("minivit", [&] {
    if (first == "--completion") {
      check<ConfigError>(argc == 3 && argv[2] == std::string("bash"), "--completion",
                         argc > 2 ? str_cat(' ', argv[2]) : std::string(), ": expected bash");
      std::fputs(bash_completion().c_str(), stdout);
      return 0;
    }
    std::vector<std::string> names;
    for (const Command* command : commands()) names.emplace_back(command->name);
    names.insert(names.end(), {"--help", "--version", "--completion"});
    const std::string_view known = called_here(first);
    const std::string meant = known.empty() ? nearest(first, names) : std::string(known);
    check<ConfigError>(!first.empty(), "expected a subcommand; minivit --help lists them");
    throw ConfigError(str_cat("there is no subcommand \"", first, "\"; ",
                              meant.empty() ? std::string() : str_cat("did you mean \"", meant, "\"? "),
                              "minivit --help lists them"));
  });
}

int run_program(const std::string& name, const std::function<int()>& body) {
  const auto failed = [&](const std::exception& e, int code) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), printable_lines(error_text(e)).c_str());
    return code;
  };
  try {
    return body();
  } catch (const ConfigError& e) { return failed(e, 2); } catch (const std::exception& e) {
    return failed(e, 1);
  }
}

std::string error_text(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return "out of memory; try a smaller batch, image or model";
  return error.what();
}

bool replaceable(const std::filesystem::path& folder, std::initializer_list<std::string_view> files) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(folder, error)) return true;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (std::ranges::find(files, entry.path().filename().string()) == files.end()) return false;
  check<FileError>(!error, "cannot read ", folder.native(), ": ", error.message());
  return true;
}

}  // namespace minivit::cli
