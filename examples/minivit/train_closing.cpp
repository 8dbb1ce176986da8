// The end of a training, for people.
#include "train_closing.hpp"

#include <algorithm>
#include <system_error>

#include "minivit/core/check.hpp"
#include "program.hpp"

namespace minivit::cli {

std::vector<std::string> result_lines(const ClassResults& results, const std::vector<std::string>& classes) {
  std::vector<std::string> lines = results.table(classes);
  std::vector<std::size_t> counts;
  for (const ClassResult& row : results.rows()) counts.push_back(row.images);
  std::size_t largest = 0;
  const double share = majority_share(counts, &largest);
  lines.push_back(str_cat(results.right(), " of ", results.images(), " validation images right, ",
                          format("%.4f", static_cast<double>(results.right()) /
                                             static_cast<double>(std::max<std::size_t>(results.images(), 1))),
                          "; always answering \"", classes[largest], "\" gives ", format("%.4f", share)));
  return lines;
}

std::vector<std::string> next_lines(const std::filesystem::path& run, Task task) {
  const std::string name = shell_word(short_path(run).native());
  if (task == Task::pretrain)
    return {"next:",
            str_cat("  minivit train model.pretrained=", name,
                    " data.train=FOLDER      begin with what it has learned; FOLDER has a sub-folder "
                    "of images for each class")};
  return {"next:", str_cat("  minivit predict --run ", name, " IMAGE…       what it sees in other images"),
          str_cat("  minivit evaluate --run ", name,
                  " FOLDER      how good it is on images that it has not seen")};
}

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./+:@%,=").find(c) != std::string_view::npos ||
           static_cast<unsigned char>(c) >= 0x80;
  });
  if (plain && text[0] != '-') return text;
  std::string out = "'";
  for (const char c : text)
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  return out + "'";
}

std::filesystem::path short_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) return path;
  const std::filesystem::path below = path.lexically_proximate(here);
  return below.empty() || *below.begin() == ".." ? path : below;
}

}  // namespace minivit::cli
