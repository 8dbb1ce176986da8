// Lines of predictions.
#include "prediction_output.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "csv.hpp"
#include "escaped.hpp"
#include "minivit/core/check.hpp"
#include "minivit/io/json.hpp"
#include "printable.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace {

void print_line(const std::string& text) { std::printf("%s\n", text.c_str()); }

}  // namespace

PredictionOutput::PredictionOutput(Options options) : options_(std::move(options)) {
  if (options_.format != Format::csv) return;
  std::string header = "image";
  for (std::size_t i = 1; i <= options_.top; ++i)
    header += i == 1 ? std::string(",label,confidence") : str_cat(",label_", i, ",confidence_", i);
  print_line(header + ",error");
}

std::span<const Prediction> PredictionOutput::reached(std::span<const Prediction> best) const {
  const auto end = std::ranges::find_if(
      best, [&](const Prediction& p) { return static_cast<double>(p.probability) < options_.threshold; });
  return best.first(static_cast<std::size_t>(end - best.begin()));
}

void PredictionOutput::row(std::string_view image, std::span<const Prediction> best,
                           std::span<const float> logits) const {
  if (options_.format == Format::json) return json_row(image, best, logits);
  if (options_.format == Format::csv) return csv_row(image, best, "");
  std::string line = escaped(image);
  line.append(width_ - std::min(width_, TextTable::length(line)) + 1, ' ');
  char percent[32];
  for (const Prediction& p : reached(best)) {
    std::snprintf(percent, sizeof percent, " %.1f%%", 100.0 * static_cast<double>(p.probability));
    line += str_cat("  ", printable(p.name), percent);
  }
  if (reached(best).empty()) line += str_cat("  no class reaches ", 100 * options_.threshold, "%");
  print_line(line);
}

void PredictionOutput::failed(std::string_view image, std::string_view why) const {
  if (options_.format == Format::json)
    print_line(shown_json(io::json_text(io::Json::object({{"image", escaped_bytes(image)},
                                                          {"model", escaped_bytes(options_.model)},
                                                          {"error", escaped_bytes(why)}}))));
  else if (options_.format == Format::csv)
    csv_row(image, {}, why);
}

void PredictionOutput::json_row(std::string_view image, std::span<const Prediction> best,
                                std::span<const float> logits) const {
  io::Json top = io::Json::array();
  for (const Prediction& p : reached(best))
    top.push_back(io::Json::object({{"label", p.name}, {"probability", p.probability}}));
  io::Json row = io::Json::object({{"image", escaped_bytes(image)},
                                   {"model", escaped_bytes(options_.model)},
                                   {"label", top.empty() ? io::Json() : io::Json(best[0].name)},
                                   {"confidence", best[0].probability},
                                   {"top", std::move(top)},
                                   {"logits", io::Json(logits)}});
  print_line(shown_json(io::json_text(row)));
}

void PredictionOutput::csv_row(std::string_view image, std::span<const Prediction> best,
                               std::string_view error) const {
  std::string line = csv_field(escaped(image));
  const auto shown = reached(best);
  for (std::size_t i = 0; i < options_.top; ++i)
    line += i < shown.size() ? str_cat(',', csv_field(printable(shown[i].name)), ',', shown[i].probability)
                             : std::string(",,");
  print_line(str_cat(line, ',', csv_field(escaped(error))));
}

}  // namespace minivit::cli
