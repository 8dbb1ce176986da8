// Fetches a published model: fetch NAME [--out FOLDER] [--revision R] [--url ADDRESS] | fetch --list
#include <fcntl.h>
#include <sys/file.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <memory>
#include <minivit/io/pretrained.hpp>
#include <system_error>

#include "command.hpp"
#include "download.hpp"
#include "fetch_list.hpp"
#include "minivit/core/file.hpp"
#include "minivit/io/json.hpp"
#include "program.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRecord = "fetched.json";  // where a folder's files are from

struct FetchOptions {
  std::string name, out, url, revision = "main";
  bool list = false;
};

int list_models() {
  TextTable table({"name", "million parameters", "image size", "what"}, {1, 2});
  for (const HubModel& m : hub_models())
    table.row({m.name, m.millions, str_cat(m.image_size), m.description});
  std::fputs(table.str().c_str(), stdout);
  return 0;
}

/// What is written beside the files before the first comes: an unfinished fetch is gone on with by the same
/// only.
io::Json origin_of(const std::string& name, const FetchOptions& options) {
  return io::Json::object({{"name", name}, {"url", options.url}, {"revision", options.revision}});
}

bool same_origin(const fs::path& record, const io::Json& origin) {
  std::error_code error;
  if (!fs::exists(record, error)) return false;
  const io::Json found = io::read_json_file(record);
  for (const auto& [key, value] : origin.items())
    if (!found.is_object() || !found.contains(key) || found.at(key) != value) return false;
  return true;
}

/// A folder that is there: fine if it is this model, and its files are what came.
int check_there(const fs::path& folder, const io::Json& origin) {
  check<FileError>(
      same_origin(folder / kRecord, origin), folder.native(),
      ": there is something of this name already, and it was not fetched from there; remove it, or give "
      "another folder with --out");
  const io::Json record = io::read_json_file(folder / kRecord);
  check<FileError>(record.contains("files") && record.at("files").is_object(), (folder / kRecord).native(),
                   ": does not name the files; remove the folder and fetch it again");
  for (const auto& [file, known] : record.at("files").items()) {
    check<FileError>(is_plain(file) && known.is_object() && known.contains("sha256"),
                     (folder / kRecord).native(), ": is damaged; remove the folder and fetch it again");
    check<FileError>(sha256_of(folder / file) == known.at("sha256"), (folder / file).native(),
                     ": is not what was fetched any more; remove the folder and fetch it again");
  }
  std::printf("%s: is there already, its files are what was fetched\n", printable(folder.native()).c_str());
  return 0;
}

/// Fetches what is missing of the files into `folder`, and writes down what they are.
void fetch_files(const std::string& name, const FetchOptions& options, const fs::path& folder,
                 const io::Json& origin) {
  io::Json record = origin, files = io::Json::object();
  std::error_code error;
  if (fs::exists(folder / kRecord, error)) {
    check<FileError>(
        same_origin(folder / kRecord, origin), folder.native(),
        ": is an unfinished fetch of something else; remove it, or give another folder with --out");
    const io::Json before = io::read_json_file(folder / kRecord);
    if (before.contains("files") && before.at("files").is_object()) files = before.at("files");
  }
  io::write_json_file(folder / kRecord, record);
  for (const std::string& file : hub_files(name)) {
    if (files.contains(file) && fs::exists(folder / file, error)) continue;
    const std::string address = hub_address(options.url, name, options.revision, file);
    std::fprintf(stderr, "minivit fetch: %s\n", address.c_str());
    const auto done = download(address, folder / file);
    if (!done) {
      check<FileError>(file == "preprocessor_config.json", address, ": there is no such file",
                       file == "model.safetensors"
                           ? "; a model without it has weights that can run code when they are "
                             "read, convert it where it comes from"
                           : "; is the name right?");
      continue;
    }
    files[file] = io::Json::object({{"sha256", done->sha256}, {"announced", done->checked}});
    if (!done->commit.empty()) record["commit"] = done->commit;
    record["files"] = files;
    io::write_json_file(folder / kRecord, record);
    if (file == "model.safetensors")
      std::fprintf(
          stderr, "minivit fetch: SHA-256 %s, %s\n", done->sha256.c_str(),
          done->checked ? "as the server announced" : "which the server did not announce: not checked");
  }
}

int fetch(const FetchOptions& options) {
  if (options.list) return list_models();
  const std::string name = hub_name(options.name);
  check<ConfigError>(
      !name.empty(), "\"", options.name,
      "\" is no name of a model, expected owner/model, as timm/vit_small_patch16_224.augreg_in21k_ft_in1k; "
      "--list shows some");
  check<ConfigError>(is_plain(options.revision), "--revision is ", options.revision,
                     ", expected a branch, a tag or a commit");
  check<ConfigError>((options.url.starts_with("https://") || options.url.starts_with("http://")) &&
                         options.url.find_first_of(" \t\r\n") == std::string::npos,
                     "--url is ", options.url, ", expected an address that begins with https://");
  fs::path folder = options.out.empty() ? name.substr(name.find('/') + 1) : options.out;
  if (!folder.has_filename()) folder = folder.parent_path();
  const io::Json origin = origin_of(name, options);
  std::error_code error;
  if (fs::exists(folder, error)) return check_there(folder, origin);

  const fs::path part = fs::path(folder).concat(".part");
  fs::create_directories(part, error);
  check<FileError>(!error, "cannot make the folder ", part.native(), ": ", error.message());
  const io::detail::FileDescriptor lock(::open(part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check<FileError>(bool(lock), "cannot open ", part.native(), ": ", io::detail::reason(errno));
  check<FileError>(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK, part.native(),
                   ": another minivit fetch is at work there");
  try {
    fetch_files(name, options, part, origin);
  } catch (const FileError& e) {
    throw FileError(
        str_cat(e.what(), "; what has come stays in ", part.native(), ", the same command goes on with it"));
  }
  io::detail::sync(lock.get());
  fs::rename(part, folder, error);
  check<FileError>(!error, "cannot rename ", part.native(), " to ", folder.native(), ": ", error.message());

  const ModelConfig model = [&] {
    try {
      return read_pretrained_config(folder);
    } catch (const Error& e) {
      throw FileError(str_cat("it was fetched, but it is no model that minivit reads: ", e.what()));
    }
  }();
  std::printf("%s: images of %lldx%lld, %lld classes\n", printable(folder.native()).c_str(),
              static_cast<long long>(model.vit.image_width), static_cast<long long>(model.vit.image_height),
              static_cast<long long>(model.vit.num_classes));
  std::printf(model.vit.num_classes > 0
                  ? "next: minivit predict --model %s IMAGE\n"
                  : "next: minivit train --config-name finetune data.train=FOLDER model.pretrained=%s\n",
              printable(folder.native()).c_str());
  return 0;
}

std::function<int()> setup_fetch(CLI::App& app) {
  const auto options = std::make_shared<FetchOptions>();
  options->url = hub_url();
  auto* name = app.add_option("NAME", options->name,
                              "owner/model, as timm/vit_small_patch16_224.augreg_in21k_ft_in1k");
  app.add_option("--out", options->out, "folder to make; the model's name if it is not given");
  app.add_option("--revision", options->revision, "branch, tag or commit")->capture_default_str();
  app.add_option("--url", options->url, "where models are: the Hugging Face hub, or MINIVIT_FETCH_URL")
      ->capture_default_str();
  auto* list = app.add_flag("--list", options->list, "ten models to begin with");
  app.final_callback([=] {
    if (name->count() + list->count() == 0) throw CLI::RequiredError("NAME");
  });
  return [options] { return fetch(*options); };
}

}  // namespace

extern constexpr Command fetch_command{
    "fetch", "Fetches a published model of timm or transformers, checks its hash, goes on where it stopped.",
    setup_fetch, false};

}  // namespace minivit::cli
