// Writes the digits of a sheet as image folders, the last ones for testing: digits SHEET.png LABELS.txt
// FOLDER
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/vit.hpp>

#include "command.hpp"
#include "minivit/core/file.hpp"
#include "minivit/io/json.hpp"
#include "printable.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace {

constexpr int kTile = 8, kColumns = 64;
constexpr std::size_t kTrain = 1437;  // the remaining 360 are for testing

int write_digits(const std::filesystem::path& sheet_path, const std::filesystem::path& labels_path,
                 const std::filesystem::path& folder) {
  const Image sheet = decode_image(sheet_path);
  std::string labels = io::read_file(labels_path, 1 << 20);
  std::erase_if(labels, [](char c) { return c < '0' || c > '9'; });
  const auto rows = (labels.size() + kColumns - 1) / kColumns;
  check<FileError>(sheet.width == kTile * kColumns && sheet.height >= static_cast<int>(rows) * kTile,
                   sheet_path.string(), ": is ", sheet.width, "x", sheet.height, ", too small for ",
                   labels.size(), " digits");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto to = folder / (i < kTrain ? "train" : "test") / std::string(1, labels[i]);
    std::filesystem::create_directories(to);
    const int column = static_cast<int>(i) % kColumns, row = static_cast<int>(i) / kColumns;
    encode_png(to / format("%04zu.png", i), crop(sheet, column * kTile, row * kTile, kTile, kTile));
  }
  std::printf("%zu digits for training and %zu for testing in %s\n", kTrain, labels.size() - kTrain,
              printable(folder.native()).c_str());
  return 0;
}

std::function<int()> setup_digits(CLI::App& app) {
  struct DigitsOptions {
    std::string sheet, labels, folder;
  };
  const auto options = std::make_shared<DigitsOptions>();
  app.add_option("sheet", options->sheet, "image of all digits, as examples/data/digits.png")->required();
  app.add_option("labels", options->labels, "text with a digit for each, as examples/data/digits.labels.txt")
      ->required();
  app.add_option("folder", options->folder, "folder to write: train/ and test/, a folder for each digit")
      ->required();
  return [options] { return write_digits(options->sheet, options->labels, options->folder); };
}

}  // namespace

extern constexpr Command digits_command{
    "digits", "Writes handwritten digits as folders of images, to try things on.", setup_digits, false};

}  // namespace minivit::cli
