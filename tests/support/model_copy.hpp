// Copies of the fixtures' model folders, to be changed.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "minivit/io/json.hpp"

/// A copy of a folder of tests/data/fixtures in the working directory, made anew; tests of other files, which
/// run at the same time, have their own.
class ModelCopy {
 public:
  explicit ModelCopy(const std::string& name)
      : path_(std::filesystem::path(minivit::str_cat("model_copy_", ::getpid())) / name) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_.parent_path());
    std::filesystem::copy(std::filesystem::path(MINIVIT_TEST_DATA) / name, path_,
                          std::filesystem::copy_options::recursive);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Changes one of the JSON files.
  void edit(const std::string& file, const std::function<void(minivit::io::Json&)>& change) const {
    minivit::io::Json json = minivit::io::read_json_file(path_ / file);
    change(json);
    std::ofstream(path_ / file) << minivit::io::json_text(json, 1);
  }

 private:
  std::filesystem::path path_;
};
