// The bytes of a .npy file; what is refused.
#include "minivit/io/npy.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / str_cat("minivit-npy-", ::getpid());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

/// What the file of this matrix must hold: written down by hand, but for the blanks.
std::string expected(const std::string& shape, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');  // 128 with the 10 bytes in front and the end of the line
  std::string out = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n";
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return out;
}

std::string content(const fs::path& path) { return read_file(path, 1 << 20); }

}  // namespace

TEST_CASE("a .npy file to the byte, its rows one after the other or at once") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "x.npy";
  {
    NpyWriter writer(file, 3);
    writer.append(std::vector<float>{1, 2, 3});
    writer.append({});
    writer.append(std::vector<float>{4, 5, 6, -7, 8.5f, 1e-30f});
    CHECK(writer.rows() == 3);
    CHECK_FALSE(fs::exists(file));
    writer.commit();
  }
  CHECK(content(file) == expected("(3, 3)", {1, 2, 3, 4, 5, 6, -7, 8.5f, 1e-30f}));
  save_npy(file, Tensor::from({2, 2}, {0, 1, 2, 3}));
  CHECK(content(file) == expected("(2, 2)", {0, 1, 2, 3}));
  // 1.0, the byte with its sign last.
  save_npy(file, Tensor::from({1, 1}, {1}));
  CHECK(content(file).substr(128) == std::string("\x00\x00\x80\x3F", 4));
  CHECK(content(file).size() == 132);
}

TEST_CASE("matrices without rows, and with many columns") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "x.npy";
  NpyWriter(file, 768).commit();
  CHECK(content(file) == expected("(0, 768)", {}));
  save_npy(file, Tensor::zeros({1, 65536}));
  CHECK(content(file).starts_with(expected("(1, 65536)", {})));
  CHECK(content(file).size() == 128 + 4 * 65536);
}

TEST_CASE("a .npy file that is not whole is not written") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "x.npy";
  { NpyWriter(file, 2).append(std::vector<float>{1, 2}); }
  CHECK(fs::is_empty(folder.path));
  CHECK(message_of<ShapeError>([&] {
          NpyWriter(file, 2).append(std::vector<float>{1, 2, 3});
        }) == "npy: 3 values given, expected whole rows of 2");
  CHECK(message_of<ShapeError>([&] { NpyWriter(file, 0); }) == "npy: 0 columns, expected at least 1");
  CHECK(message_of<ShapeError>([&] {
          save_npy(file, Tensor::zeros({2, 2, 2}));
        }) == "npy: the tensor is (2, 2, 2), expected a matrix (N, D)");
  CHECK(message_of<FileError>([&] { NpyWriter(folder.path / "none/x.npy", 2); }).find("none/x.npy") !=
        std::string::npos);
  CHECK(fs::is_empty(folder.path));
}
