// Matrices as NumPy reads them: a .npy file.
//
// Version 1.0 of the format, as numpy.lib.format describes it:
//   6 bytes    "\x93NUMPY"
//   2 bytes    version 1, 0
//   2 bytes    length of the header, little-endian
//   the header the type of the elements and the shape as a Python dictionary, blanks and an end of line, so
//              that the elements begin at a multiple of 64 bytes
//   the rest   the elements, here float32, little-endian, row-major
#pragma once

#include <bit>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "minivit/core/atomic_file.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI::io {

static_assert(std::endian::native == std::endian::little, ".npy files are written little-endian");

/// Writes a matrix (N, D) row by row: N need not be known before the end. The file is there at `commit`,
/// whole; without it an earlier one stays, see AtomicFile.
class NpyWriter {
 public:
  /// Begins a file with rows of `columns` numbers. Throws FileError if it cannot be written, ShapeError
  /// unless there is a column.
  NpyWriter(const std::filesystem::path& path, std::int64_t columns) : file_(path), columns_(columns) {
    check<ShapeError>(columns >= 1, "npy: ", columns, " columns, expected at least 1");
    file_.write(header());
  }

  /// Appends whole rows. Throws ShapeError for a part of one, FileError if they cannot be written.
  void append(std::span<const float> values) {
    const auto n = static_cast<std::int64_t>(values.size());
    check<ShapeError>(n % columns_ == 0, "npy: ", n, " values given, expected whole rows of ", columns_);
    file_.write(values.data(), values.size_bytes());
    rows_ += n / columns_;
  }

  /// Rows so far.
  std::int64_t rows() const { return rows_; }

  /// Lets the file take its place. Afterwards nothing more can be written. Throws FileError.
  void commit() {
    file_.rewrite(0, header());
    file_.commit();
  }

 private:
  std::string header() const {
    // Two times 64 bytes hold it for any number of rows and columns, so it can be written again at the end.
    constexpr std::size_t kSize = 128, kStart = 10;
    std::string out("\x93NUMPY\x01\x00\x00\x00", kStart);
    out[8] = static_cast<char>(kSize - kStart);
    out += str_cat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows_, ", ", columns_, "), }");
    out.resize(kSize - 1, ' ');
    return out + '\n';
  }

  AtomicFile file_;
  std::int64_t columns_, rows_ = 0;
};

/// Writes a matrix (N, D) as a .npy file, atomically. Throws ShapeError for another rank or D = 0, FileError
/// if it cannot be written.
inline void save_npy(const std::filesystem::path& path, const Tensor& matrix) {
  check<ShapeError>(matrix.rank() == 2, "npy: the tensor is ", matrix.shape(), ", expected a matrix (N, D)");
  NpyWriter writer(path, matrix.size(1));
  writer.append(matrix.values());
  writer.commit();
}

}  // namespace minivit::inline MINIVIT_ABI::io
