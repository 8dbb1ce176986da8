// Settings as text: YAML, help, tables.
#include <algorithm>

#include "settings.hpp"

namespace minivit::cli {

bool Settings::is_usual(const Entry& entry) const {
  return std::find(usual_.begin(), usual_.end(), entry.name) != usual_.end();
}

template <class Begin, class One>
void Settings::for_each_group(const Begin& begin, const One& one) const {
  for (const std::string& name : usual_) one(find(name));
  const std::string* title = nullptr;
  for (const Entry& e : entries_) {
    if (is_usual(e)) continue;
    if (!title || *title != e.title) begin(e.title);
    title = &e.title;
    one(e);
  }
}

std::string Settings::yaml() const {
  std::string out, section;
  for (const Entry& e : entries_) {
    const std::size_t dot = e.name.find('.');
    if (e.name.substr(0, dot) != section) out += (section = e.name.substr(0, dot)) + ":\n";
    out += str_cat("  ", e.name.substr(dot + 1), ": ", e.get(), "\n");
  }
  return out;
}

std::string Settings::line(const Entry& entry) const {
  std::size_t width = 0;
  for (const Entry& e : entries_) width = std::max(width, e.name.size() + e.get().size());
  const std::string left = str_cat(entry.name, "=", entry.get());
  return str_cat("  ", left, std::string(width + 3 - left.size(), ' '), entry.help, " (", entry.expected,
                 ")\n");
}

std::string Settings::usual_help() const {
  std::string out;
  for (const std::string& name : usual_) out += line(find(name));
  return out;
}

std::string Settings::help() const {
  std::string out;
  for_each_group(
      [&](const std::string& title) {
        if (!title.empty()) out += str_cat(out.empty() ? "" : "\n", title, ":\n");
      },
      [&](const Entry& e) {
        if (!is_usual(e)) out += line(e);
      });
  return out;
}

std::string Settings::markdown() const {
  constexpr std::string_view kHeader = "| setting | default | expected | help |\n|---|---|---|---|\n";
  const auto escaped = [](std::string_view text) {  // a bar would end the cell
    std::string cell;
    for (const char c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
    return cell;
  };
  std::string out;
  const auto begin = [&](std::string_view title) {
    out += out.empty() ? "" : "\n";
    if (!title.empty()) out += str_cat("## ", title, "\n\n");
    out += kHeader;
  };
  if (!usual_.empty()) begin("The usual ones");
  for_each_group(begin, [&](const Entry& e) {
    out += str_cat("| `", e.name, "` | `", escaped(e.get()), "` | ", escaped(e.expected), " | ",
                   escaped(e.help), " |\n");
  });
  return out;
}

}  // namespace minivit::cli
