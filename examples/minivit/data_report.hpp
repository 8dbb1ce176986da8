// Findings in the folders of a training: classes, counts, sizes, and files that are of no use.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "minivit/data/image_folder.hpp"
#include "minivit/data/image_scan.hpp"

namespace minivit::cli {

/// Files that cannot be read for the same kind of reason.
struct Finding {
  image::FileProblem problem;
  std::size_t files = 0;
  std::vector<std::string> first;  ///< ten at most: the name, for damaged files with what is wrong
};

/// The images for training, validation or test.
struct DataPart {
  std::filesystem::path folder;
  std::vector<std::size_t> by_class;  ///< images that can be read
  std::size_t unreadable = 0;

  /// Images that can be read, of all classes.
  std::size_t images() const;
};

/// What the scan before a training has found.
struct DataReport {
  std::vector<std::string> classes;
  DataPart train, val, test;                    ///< test: empty if there is none
  std::map<std::string, std::size_t> suffixes;  ///< of the images, in lower case
  image::ImageSize smallest, median, largest;   ///< by the number of pixels
  std::vector<Finding> findings;                ///< by kind
  std::vector<std::string> left_out;            ///< lines about files that are no samples
  std::size_t turned = 0;                       ///< images that are not stored upright

  /// Lines about what is out of the ordinary: findings, `left_out`, `turned`. Empty if nothing is.
  std::vector<std::string> remarks() const;
};

/// What a scan found in one folder, put together with that of others.
class DataScan {
 public:
  /// program: what messages begin with.
  explicit DataScan(const char* program) : program_(program) {}

  /// Looks at all images of a folder, with a word about how far it is. Throws FileError if more than
  /// `bad_fraction` of them cannot be read, see too_many_bad, after saying which; AccessError if the system
  /// does not read one.
  std::vector<image::ScannedFile> scan(const ImageFolder& images, double bad_fraction);

  /// The lines that `scan` has to say so far, and the sizes.
  DataReport report;

  /// Fills in the sizes of the report.
  void finish();

 private:
  const char* program_;
  std::vector<image::ImageSize> sizes_;
};

}  // namespace minivit::cli
