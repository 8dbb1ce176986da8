// Published models that minivit reads, and where their files are.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minivit::cli {

/// A repository of the Hugging Face hub with a model that minivit reads.
struct HubModel {
  const char* name;      ///< owner/model
  const char* millions;  ///< of parameters
  int image_size;
  const char* description;
};

/// Ten good ones to begin with, the small ones first.
std::span<const HubModel> hub_models();

/// True for a part of a name as the hub allows them: letters, digits and . _ -, and nothing that a path or an
/// option could be made of.
bool is_plain(std::string_view part);

/// Where files are fetched from: the environment variable MINIVIT_FETCH_URL, or the Hugging Face hub.
std::string hub_url();

/// owner/model of a name as people write it: with hf-hub: or an address in front, or timm's name alone. Empty
/// if it cannot be the name of a repository.
std::string hub_name(std::string_view typed);

/// The files of a model: config.json, preprocessor_config.json where it is transformers' (the last is the
/// weights).
std::vector<std::string> hub_files(std::string_view name);

/// The address of a file.
std::string hub_address(std::string_view url, std::string_view name, std::string_view revision,
                        std::string_view file);

/// What to type to get the model of this name: lines to be put behind "no such file or folder"; empty if it
/// cannot be a name on the hub.
std::string fetch_hint(std::string_view typed);

}  // namespace minivit::cli
