// Says what is in a file of weights or a model folder, or why it is refused: inspect [--json] FILE|FOLDER...
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/io/pretrained.hpp>
#include <minivit/vit.hpp>

#include "command.hpp"
#include "minivit/io/model_config_json.hpp"
#include "minivit/io/pretrained_source.hpp"
#include "minivit/io/safetensors.hpp"
#include "model_path.hpp"
#include "option_checks.hpp"
#include "program.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace {

struct InspectOptions {
  std::vector<std::string> paths;
  std::string architecture;
  std::int64_t num_heads = 0;
  bool brief = false, json = false;
};

/// What can be said about a model. `problem`: why it cannot be loaded.
struct Report {
  std::string path, problem, family;
  std::vector<std::string> notes;
  std::optional<Pretrained> loaded;
  std::optional<io::SafetensorsFile> file;
};

Report report_on(const std::string& path, const InspectOptions& options) {
  Report r{.path = path, .problem = {}, .family = {}, .notes = {}, .loaded = {}, .file = {}};
  try {
    const std::filesystem::path found = find_model(path, "the path");
    r.file.emplace(detail::weights_file(found));
    r.loaded.emplace(
        load_pretrained(found, {.architecture = options.architecture, .num_heads = options.num_heads}));
    r.family = r.loaded->family;
    r.notes = r.loaded->notes;
    r.notes.insert(r.notes.end(), r.loaded->guesses.begin(), r.loaded->guesses.end());
  } catch (const std::exception& e) { r.problem = e.what(); }
  return r;
}

io::Json as_json(const Report& r, const InspectOptions& options) {
  io::Json json = io::Json::object({{"path", printable(r.path)}});
  if (!r.problem.empty()) json["problem"] = printable(r.problem);
  if (r.loaded) {
    json["family"] = r.family;
    json["parameters"] = parameter_count(r.loaded->model.net);
    json["config"] = to_json({r.loaded->model.net.config, r.loaded->model.labels, r.loaded->model.preprocess,
                              r.loaded->model.multi_label});
    json["notes"] = r.notes;
  }
  if (r.file && !options.brief) {
    io::Json tensors = io::Json::array();
    for (const io::SafetensorsInfo& t : r.file->tensors()) {
      const std::optional<TensorPlace> place = place_of(t.name);
      io::Json one = io::Json::object(
          {{"name", std::string(t.name)}, {"dtype", std::string(t.dtype())}, {"shape", io::Json(t.shape())}});
      if (place) one["as"] = place->name;
      tensors.push_back(std::move(one));
    }
    json["tensors"] = std::move(tensors);
  }
  return json;
}

void print(const Report& r, const InspectOptions& options) {
  if (r.file && !options.brief) {
    std::size_t width = 0;
    for (const io::SafetensorsInfo& t : r.file->tensors()) width = std::max(width, t.name.size());
    for (const io::SafetensorsInfo& t : r.file->tensors())
      std::printf("%-*s  %-4s  %s\n", static_cast<int>(width), printable(std::string(t.name)).c_str(),
                  std::string(t.dtype()).c_str(), t.shape_text().c_str());
    std::printf("\n");
  }
  if (r.loaded) {
    const ModelBundle& m = r.loaded->model;
    const ViTConfig& c = m.net.config;
    std::printf("%s: %s\n", printable(r.path).c_str(), r.family.c_str());
    std::printf("  %lld parameters: %lld channels, %lld blocks, %lld heads, MLP %lld%s\n",
                static_cast<long long>(parameter_count(m.net)), static_cast<long long>(c.embedding_dim),
                static_cast<long long>(c.num_layers), static_cast<long long>(c.num_heads),
                static_cast<long long>(c.hidden_dim()),
                c.activation == Activation::swiglu ? " (SwiGLU)" : "");
    std::printf("  images %lldx%lld, patches of %lld, %s, crop %g, %s, mean %g %g %g, deviation %g %g %g\n",
                static_cast<long long>(c.image_width), static_cast<long long>(c.image_height),
                static_cast<long long>(c.patch_size),
                m.preprocess.fit == Preprocess::Fit::crop ? "center crop" : "squashed", m.preprocess.crop_pct,
                std::string(enum_name(m.preprocess.filter)).c_str(),
                static_cast<double>(m.preprocess.mean[0]), static_cast<double>(m.preprocess.mean[1]),
                static_cast<double>(m.preprocess.mean[2]), static_cast<double>(m.preprocess.std[0]),
                static_cast<double>(m.preprocess.std[1]), static_cast<double>(m.preprocess.std[2]));
    std::string labels;
    for (std::size_t i = 0; i < std::min<std::size_t>(m.labels.size(), 10); ++i)
      labels += str_cat(i > 0 ? ", " : "", m.labels[i]);
    if (m.labels.size() > 10) labels += ", …";
    std::printf("  %zu classes%s%s\n", m.labels.size(), labels.empty() ? ": no head, features" : ": ",
                printable(labels).c_str());
    for (const std::string& note : r.notes) std::printf("  %s\n", printable(note).c_str());
  }
  if (!r.problem.empty())
    std::printf("%s: refused: %s\n", printable(r.path).c_str(), printable(r.problem).c_str());
}

int inspect(const InspectOptions& options) {
  bool refused = false;
  for (const std::string& path : options.paths) {
    const Report r = report_on(path, options);
    if (options.json)
      std::printf("%s\n", io::json_text(as_json(r, options)).c_str());
    else
      print(r, options);
    refused = refused || !r.problem.empty();
  }
  return refused ? 1 : 0;
}

std::function<int()> setup_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  app.add_option("--architecture", options->architecture,
                 "timm's name of the model, as vit_small_patch16_224, if it has no config.json");
  app.add_option("--num-heads", options->num_heads,
                 "attention heads, if neither files nor timm's names say them")
      ->check(number_from(1, 1024));
  app.add_flag("--brief", options->brief, "no tensors");
  app.add_flag("--json", options->json, "one JSON object a line");
  app.add_option("paths", options->paths, "files or folders")->required();
  return [options] { return inspect(*options); };
}

}  // namespace

extern constexpr Command inspect_command{
    "inspect", "Says what is in safetensors files and model folders, or why they are refused.",
    setup_inspect};

}  // namespace minivit::cli
