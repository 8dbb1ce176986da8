// The check of a folder that is to be replaced with a model.
#include "model_destination.hpp"

#include <minivit/io/export.hpp>
#include <system_error>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/io/json.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

bool card_is_ours(const fs::path& path) {
  try {
    return minivit::detail::is_marked_card(io::read_file(path, std::size_t{1} << 24));
  } catch (const AccessError&) { throw; } catch (const FileError&) {
    return false;
  }
}

bool configuration_is_ours(const fs::path& path) {
  try {
    const io::Json json = io::read_json_file(path);
    return json.is_object() && json.contains("minivit");
  } catch (const AccessError&) { throw; } catch (const FileError&) {
    return false;
  }
}

}  // namespace

void check_model_destination(const std::string& option, const fs::path& folder) {
  check<ConfigError>(replaceable(folder, {"README.md", "config.json", "model.onnx", "model.onnx.data",
                                          "model.safetensors", "preprocessor_config.json"}),
                     option, " is ", folder.native(),
                     ", a folder with something else than a model; expected a new one, or a model to be "
                     "replaced");
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_empty(folder, error)) return;
  const bool card = fs::exists(folder / "README.md", error);
  check<ConfigError>(!card || card_is_ours(folder / "README.md"), option, " is ", folder.native(),
                     ", whose README.md was not written by minivit or has been changed since; choose another "
                     "folder, or move README.md away");
  check<ConfigError>(card || configuration_is_ours(folder / "config.json"), option, " is ", folder.native(),
                     ", a model that was not written by minivit; choose another folder, or remove that one");
}

}  // namespace minivit::cli
