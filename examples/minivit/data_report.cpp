// The scan before a training.
#include "data_report.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <numeric>
#include <utility>

#include "features.hpp"
#include "images.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/data/loader.hpp"

namespace minivit::cli {

namespace {

constexpr std::size_t kNamed = 10;  // of the files with one kind of problem

void add(std::vector<Finding>& findings, const std::filesystem::path& path, const image::ScannedFile& file) {
  auto at = std::ranges::find(findings, file.problem, &Finding::problem);
  if (at == findings.end()) at = findings.insert(findings.end(), Finding{file.problem, 0, {}});
  if (++at->files <= kNamed)
    at->first.push_back(file.problem == image::FileProblem::damaged ||
                                file.problem == image::FileProblem::unknown
                            ? file.message
                            : path.native());
}

}  // namespace

std::size_t DataPart::images() const {
  return std::accumulate(by_class.begin(), by_class.end(), std::size_t{0});
}

std::vector<std::string> DataReport::remarks() const {
  std::vector<std::string> lines;
  std::size_t bad = 0;
  for (const Finding& finding : findings) bad += finding.files;
  if (bad > 0)
    lines.push_back(str_cat(bad, bad == 1 ? " image" : " images", " cannot be read and ",
                            bad == 1 ? "is" : "are", " left out:"));
  for (const Finding& finding : findings) {
    lines.push_back(str_cat("  ", enum_name(finding.problem), ": ", finding.files));
    for (const std::string& name : finding.first) lines.push_back(str_cat("    ", name));
    if (finding.files > finding.first.size())
      lines.push_back(str_cat("    and ", finding.files - finding.first.size(), " more"));
  }
  lines.insert(lines.end(), left_out.begin(), left_out.end());
  if (turned > 0)
    lines.push_back(str_cat(turned, turned == 1 ? " image is" : " images are",
                            " stored turned and set upright, as EXIF data say"));
  return lines;
}

std::vector<image::ScannedFile> DataScan::scan(const ImageFolder& images, double bad_fraction) {
  std::vector<image::ScannedFile> files;
  {
    const std::string looked_at = str_cat(program_, ": looked at");
    ImageCounter counter(looked_at.c_str(), images.size());
    std::size_t before = 0;
    files = image::scan_images(
        images.paths(), num_threads(),
        [&](std::size_t done) { counter.add(done - std::exchange(before, done)); }, images.max_pixels());
  }
  std::size_t bad = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].problem == image::FileProblem::none) {
      sizes_.push_back(files[i].size);
      report.turned += files[i].orientation != 1;
      std::string suffix = images.paths()[i].extension().native();
      std::ranges::transform(suffix, suffix.begin(), [](unsigned char c) { return std::tolower(c); });
      ++report.suffixes[suffix];
      continue;
    }
    ++bad;
    add(report.findings, images.paths()[i], files[i]);
  }
  std::ranges::move(left_out_of(images), std::back_inserter(report.left_out));
  if (too_many_bad(bad, files.size(), bad_fraction)) {
    for (const std::string& line : report.remarks()) say_line(program_, line);
    throw FileError(str_cat(images.root().native(), ": ", bad, " of ", files.size(),
                            " images cannot be read, more than data.bad_fraction=", bad_fraction,
                            "; remove or repair them, or raise it"));
  }
  return files;
}

void DataScan::finish() {
  if (sizes_.empty()) return;
  std::ranges::sort(sizes_, {}, [](const image::ImageSize& size) { return size.width * size.height; });
  report.smallest = sizes_.front(), report.median = sizes_[sizes_.size() / 2], report.largest = sizes_.back();
}

}  // namespace minivit::cli
