// Recall, precision and confusions of each class.
#include "class_results.hpp"

#include <algorithm>
#include <numeric>

#include "csv.hpp"
#include "minivit/core/check.hpp"
#include "program.hpp"
#include "text_table.hpp"

namespace minivit::cli {

void ClassResults::add(const Tensor& logits, std::span<const int> labels) {
  const auto classes = static_cast<std::int64_t>(classes_);
  check<ShapeError>(logits.rank() == 2 && logits.size(0) == static_cast<std::int64_t>(labels.size()) &&
                        logits.size(1) == classes,
                    "class results: logits are ", logits.shape(), ", expected (", labels.size(), ", ",
                    classes_, ")");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* row = logits.data() + static_cast<std::int64_t>(i) * classes;
    ++counts_[{labels[i], static_cast<int>(std::max_element(row, row + classes) - row)}];
  }
}

std::size_t ClassResults::images() const {
  std::size_t n = 0;
  for (const auto& [pair, count] : counts_) n += count;
  return n;
}

std::size_t ClassResults::right() const {
  std::size_t n = 0;
  for (const auto& [pair, count] : counts_) n += pair.first == pair.second ? count : 0;
  return n;
}

std::vector<ClassResult> ClassResults::rows() const {
  std::vector<ClassResult> rows(classes_);
  for (const auto& [pair, count] : counts_) {
    const auto [label, answer] = pair;
    ClassResult& row = rows.at(static_cast<std::size_t>(label));
    row.images += count;
    rows.at(static_cast<std::size_t>(answer)).answered += count;
    if (label == answer)
      row.right = count;
    else if (count > row.times)
      row.taken_for = answer, row.times = count;
  }
  return rows;
}

std::string ClassResults::csv(std::span<const std::string> names) const {
  std::string out = "class,images,right,recall,precision,taken_for,times\n";
  const std::vector<ClassResult> all = rows();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ClassResult& r = all[i];
    out += str_cat(csv_field(names[i]), ',', r.images, ',', r.right, ',', r.recall(), ',', r.precision(), ',',
                   r.taken_for < 0 ? "" : csv_field(names[static_cast<std::size_t>(r.taken_for)]), ',',
                   r.times, '\n');
  }
  return out;
}

std::vector<std::string> ClassResults::table(std::span<const std::string> names) const {
  constexpr std::size_t kAll = 20, kWorst = 10;
  const std::vector<ClassResult> all = rows();
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (all.size() > kAll) {
    std::erase_if(order, [&](std::size_t i) { return all[i].images == 0; });
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return all[i].recall(); });
    order.resize(std::min(order.size(), kWorst));
  }
  TextTable table({"class", "images", "right", "recall", "precision", "mostly taken for"}, {1, 2, 3, 4});
  for (const std::size_t i : order) {
    const ClassResult& r = all[i];
    table.row({printable(names[i]), str_cat(r.images), str_cat(r.right),
               r.images > 0 ? format("%.3f", r.recall()) : "-",
               r.answered > 0 ? format("%.3f", r.precision()) : "-",
               r.taken_for < 0
                   ? ""
                   : str_cat(printable(names[static_cast<std::size_t>(r.taken_for)]), " (", r.times, ")")});
  }
  std::vector<std::string> lines;
  const std::string text = table.str();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (order.size() < all.size())
    lines.push_back(
        str_cat("(the worst ", order.size(), " of ", all.size(), " classes; all are in per_class.csv)"));
  return lines;
}

}  // namespace minivit::cli
