// The features of images as a matrix for NumPy, or as a table:
//   embed --run DIR | --model DIR | --latest | --best [--out features.npy|features.csv] [--json]
//   IMAGE|FOLDER...
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/io/npy.hpp>
#include <minivit/vit.hpp>
#include <optional>

#include "choose_run.hpp"
#include "command.hpp"
#include "csv.hpp"
#include "escaped.hpp"
#include "features.hpp"
#include "images.hpp"
#include "minivit/io/json.hpp"
#include "option_checks.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "read_image.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

struct EmbedOptions {
  ModelChoice choice;
  std::vector<std::string> images;
  std::string out = "features.npy";
  std::size_t batch_size = 32;
  std::int64_t max_pixels = image::kDefaultMaxPixels;
  bool json = false;
};

/// Image files, as a data set.
struct ImageFiles {
  std::vector<fs::path> paths;
  Preprocess preprocess;
  std::int64_t max_pixels;

  std::size_t size() const { return paths.size(); }
  Shape sample_shape() const { return {preprocess.channels, preprocess.height, preprocess.width}; }
  std::string name(std::size_t i) const { return paths[i].string(); }
  int load(std::size_t i, Rng&, float* out) const {
    image::to_tensor(read_image(paths[i], preprocess, max_pixels), preprocess, out);
    return 0;
  }
};

/// Whether `names` can be replaced with `matrix`: it has a line for each row of that, or is not there. A text
/// of somebody else is not.
bool replaceable_names(const fs::path& names, const fs::path& matrix) {
  std::error_code error;
  if (!fs::exists(names, error)) return true;
  if (!fs::exists(matrix, error)) return false;
  const io::InputFile file(matrix);
  std::string header(std::min<std::uint64_t>(file.size(), 128), '\0');
  file.read_at(0, header.data(), header.size());
  const std::string text = io::read_file(names, std::size_t{1} << 32);
  return header.find(str_cat("'shape': (", std::ranges::count(text, '\n'), ", ")) != std::string::npos;
}

/// Writes features with the names of their images, a row for each. Nothing is there before `commit`.
class FeatureFiles {
 public:
  FeatureFiles(const fs::path& out, std::int64_t features) : path(out), names_path(out) {
    if (out.extension() == ".npy") {
      names_path.replace_extension(".txt");
      check<ConfigError>(replaceable_names(names_path, out), "--out is ", out.native(), ", and ",
                         names_path.native(),
                         ", where the names of the images go, is there and not that of such a matrix; "
                         "choose another --out, or remove it");
      matrix_.emplace(out, features);
      names_.emplace(names_path);
      return;
    }
    std::string header = "image";
    for (std::int64_t i = 0; i < features; ++i) header += str_cat(",f", i);
    table_.emplace(out).write(header + '\n');
  }

  void row(const std::string& image, std::span<const float> features) {
    if (matrix_) {
      names_->write(escaped(image) + '\n');  // a line each, whatever the name
      return matrix_->append(features);
    }
    std::string line = csv_field(escaped(image));
    for (const float value : features) line += str_cat(',', value);
    table_->write(line + '\n');
  }

  void commit() {
    if (table_) return table_->commit();
    // Whenever it is killed, there is no matrix beside the names of another: in between there are no names.
    const fs::path aside =
        names_path.parent_path() / str_cat(".", names_path.filename().native(), ".earlier");
    std::error_code none;
    fs::rename(names_path, aside, none);
    try {
      matrix_->commit();
    } catch (...) {
      fs::rename(aside, names_path, none);
      throw;
    }
    fs::remove(aside, none);
    names_->commit();
  }

  /// True if the names have a file of their own.
  bool names_apart() const { return names_.has_value(); }

  fs::path path, names_path;

 private:
  std::optional<io::NpyWriter> matrix_;
  std::optional<io::AtomicFile> names_, table_;
};

int embed(const EmbedOptions& options) {
  const fs::path out = options.out;
  check<ConfigError>(out.extension() == ".npy" || out.extension() == ".csv", "--out is ", options.out,
                     ", expected a name that ends in .npy or .csv");
  const fs::path folder = options.choice.folder();
  FoundImages found = find_images(options.images);
  const bool closed = found.say("minivit embed");
  const ImageClassifier model(options.choice.load(folder));
  const std::int64_t width = model.config().feature_dim();
  const ImageFiles images{std::move(found.paths), model.preprocess(), options.max_pixels};
  FeatureFiles files(out, width);
  std::int64_t count = 0;
  const std::size_t skipped =
      for_each_features("minivit embed", model.net(), images, options.batch_size, 1.0,
                        [&](const Batch& batch, const Tensor& features) {
                          for (std::size_t i = 0; i < batch.indices.size(); ++i, ++count) {
                            const auto row = static_cast<std::int64_t>(i);
                            files.row(images.name(batch.indices[i]), features.rows(row, row + 1).values());
                          }
                        });
  check<FileError>(count > 0, "none of ", skipped, " images can be read; nothing was written");
  files.commit();
  if (options.json) {
    io::Json result = io::Json::object({{"images", count}, {"skipped", skipped}, {"features", width}});
    result["out"] = escaped_bytes(files.path.native());
    if (files.names_apart()) result["names"] = escaped_bytes(files.names_path.native());
    result["model"] = escaped_bytes(folder.native());
    std::printf("%s\n", shown_json(io::json_text(result)).c_str());
  } else {
    std::printf("%s: %lld features of %lld images\n", printable(out.string()).c_str(),
                static_cast<long long>(width), static_cast<long long>(count));
    if (files.names_apart())
      std::printf("%s: the names of the images\n", printable(files.names_path.string()).c_str());
  }
  if (skipped > 0) std::fprintf(stderr, "minivit embed: %zu images were skipped\n", skipped);
  return skipped > 0 || closed ? 1 : 0;
}

std::function<int()> setup_embed(CLI::App& app) {
  const auto options = std::make_shared<EmbedOptions>();
  options->choice.add_to(app, true);
  app.add_option("--out", options->out, "a .npy file, with the images' names in a .txt beside it, or a .csv")
      ->capture_default_str();
  app.add_option("--batch", options->batch_size, "images at a time")
      ->check(number_from(1, 65536))
      ->capture_default_str();
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--json", options->json, "what was written as one JSON object");
  app.add_option("images", options->images, "images, or folders of images")->required();
  return [options] { return embed(*options); };
}

}  // namespace

extern constexpr Command embed_command{
    "embed", "Writes the features of images: what the classifier of the model sees.", setup_embed};

}  // namespace minivit::cli
