// CSV files, written line by line and read by name.
#include "csv.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/number.hpp"

namespace minivit::cli {

namespace {

/// Where the row that begins at `begin` ends: the next end of a line that is not in quotes.
std::size_t end_of_row(std::string_view text, std::size_t begin) {
  bool quoted = false;
  for (std::size_t i = begin; i < text.size(); ++i)
    if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '\n' && !quoted)
      return i;
  return std::string_view::npos;
}

}  // namespace

CsvFile::CsvFile(std::filesystem::path path, std::string_view header, std::int64_t keep_rows)
    : path_(std::move(path)) {
  std::string kept = str_cat(header, '\n');
  bool whole = false;  // the file has what is kept and nothing else
  if (keep_rows > 0) {
    std::string text = io::read_file(path_, kMaxBytes);
    check<FileError>(text.starts_with(kept), path_.string(), ": does not begin with \"", header, "\"");
    std::size_t keep = kept.size();
    for (std::int64_t row = 0; row < keep_rows; ++row) {
      const std::size_t end = end_of_row(text, keep);
      check<FileError>(end != std::string::npos, path_.string(), ": has ", row, " rows, expected at least ",
                       keep_rows);
      keep = end + 1;
    }
    whole = keep == text.size();
    text.resize(keep);
    kept = std::move(text);
  }
  if (!whole) io::write_file_atomically(path_, kept);
  fd_ = io::detail::FileDescriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!fd_) fail();
  size_ = kept.size();
}

void CsvFile::sync() {
  if (const int error = io::detail::sync(fd_.get())) errno = error, fail();
}

void CsvFile::append(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = io::detail::retried([&] { return ::write(fd_.get(), rest.data(), rest.size()); });
    if (n < 0) {
      const int error = errno;
      static_cast<void>(::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0);
      errno = error;
      fail();
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  size_ += text.size();
}

void CsvFile::fail() const {
  throw FileError(str_cat("cannot write ", path_.string(), ": ", std::generic_category().message(errno)));
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::size_t CsvTable::column(std::string_view name) const {
  const auto at = std::find(names.begin(), names.end(), name);
  check<FileError>(at != names.end(), "the table has no column ", name);
  return static_cast<std::size_t>(at - names.begin());
}

CsvTable read_csv(const std::filesystem::path& path) {
  return parse_csv(io::read_file(path, std::size_t{1} << 30), path.string());
}

CsvTable parse_csv(std::string_view text, const std::string& name) {
  CsvTable table;
  std::size_t number = 0;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string_view::npos;
       begin = end + 1) {
    std::string_view line = text.substr(begin, end - begin);
    ++number;
    std::vector<double> row;
    for (bool more = true; more;) {
      const std::size_t comma = line.find(',');
      const std::string_view field = line.substr(0, comma);
      more = comma != std::string_view::npos;
      if (more) line.remove_prefix(comma + 1);
      if (number == 1) {
        table.names.emplace_back(field);
        continue;
      }
      const std::optional<double> value = to_number<double>(field);
      check<FileError>(value.has_value(), name, ", line ", number, ": \"", field, "\" is no number");
      row.push_back(*value);
    }
    if (number == 1) continue;
    check<FileError>(row.size() == table.names.size(), name, ", line ", number, ": has ", row.size(),
                     " fields, expected ", table.names.size());
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace minivit::cli
