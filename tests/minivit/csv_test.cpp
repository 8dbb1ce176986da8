// Tables: whole lines, continued after a stop, read back strictly.
#include "csv.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/core/file.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "data/fixture.hpp"
#include "support/file_size_limit.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

TEST_CASE("rows are in the file at once, numbers in their shortest form") {
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  CsvFile file(path, "step,lr,name");
  CHECK(io::read_file(path, 1000) == "step,lr,name\n");
  file.row(1, 0.1, "a,\"b\"");
  CHECK(io::read_file(path, 1000) == "step,lr,name\n1,0.1,\"a,\"\"b\"\"\"\n");
  file.row(std::int64_t{-2}, 1.0f / 3, std::string("plain"));
  CHECK(io::read_file(path, 1000).ends_with("\n-2,0.33333334,plain\n"));
  file.sync();
}

TEST_CASE("a table goes on after the rows that are kept") {
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  {
    CsvFile file(path, "a,b");
    for (int i = 0; i < 4; ++i) file.row(i, 2 * i);
  }
  { CsvFile(path, "a,b", 2).row(7, 8); }
  CHECK(io::read_file(path, 1000) == "a,b\n0,0\n1,2\n7,8\n");
  io::write_file_atomically(path, "a,b\n0,0\n1,2\n7,8\n9");  // torn by a loss of power
  { CsvFile(path, "a,b", 3).row(9, 9); }
  CHECK(io::read_file(path, 1000) == "a,b\n0,0\n1,2\n7,8\n9,9\n");
  CHECK(message_of<FileError>([&] { CsvFile(path, "a,b", 5); }) ==
        path.string() + ": has 4 rows, expected at least 5");
  CHECK(message_of<FileError>([&] { CsvFile(path, "a,c", 1); }) ==
        path.string() + ": does not begin with \"a,c\"");
  CHECK(io::read_file(path, 1000) == "a,b\n0,0\n1,2\n7,8\n9,9\n");  // not touched
  { CsvFile(path, "x", 0); }
  CHECK(io::read_file(path, 1000) == "x\n");
}

TEST_CASE("texts with commas, quotes and ends of lines are one field, and one row") {
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  {
    CsvFile file(path, "name,size");
    file.row("a,b", 1);
    file.row(std::string_view("two\nlines"), 2);
    file.row(std::string("say \"x\""), 3);
  }
  CHECK(io::read_file(path, 1000) == "name,size\n\"a,b\",1\n\"two\nlines\",2\n\"say \"\"x\"\"\",3\n");
  { CsvFile(path, "name,size", 2).row("plain", 4); }
  CHECK(io::read_file(path, 1000) == "name,size\n\"a,b\",1\n\"two\nlines\",2\nplain,4\n");
}

TEST_CASE("a full disk leaves whole lines") {
  if (!fs::exists("/dev/full")) return;
  CHECK(message_of<FileError>([] { CsvFile("/dev/full", "a,b"); }).starts_with("cannot write /dev/full: "));
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  CsvFile file(path, "a,b");
  file.row(1, 2);
  {
    const FileSizeLimit limit(12);  // room for a part of the next row
    CHECK(message_of<FileError>([&] { file.row(123456, 123456); }) ==
          str_cat("cannot write ", path.string(), ": File too large"));
  }
  CHECK(io::read_file(path, 1000) == "a,b\n1,2\n");
  file.row(3, 4);
  CHECK(io::read_file(path, 1000) == "a,b\n1,2\n3,4\n");
}

TEST_CASE("who reads a table that is cut back sees all of the old rows or those that are kept") {
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  {
    CsvFile file(path, "a,b");
    for (int i = 0; i < 3; ++i) file.row(i, i);
  }
  const io::InputFile reader(path);  // began to read before
  CsvFile again(path, "a,b", 1);
  again.row(7, 7);
  std::string seen(static_cast<std::size_t>(reader.size()), ' ');
  reader.read_at(0, seen.data(), seen.size());
  CHECK(seen == "a,b\n0,0\n1,1\n2,2\n");
  CHECK(io::read_file(path, 1000) == "a,b\n0,0\n7,7\n");
}

TEST_CASE("what is read: columns by name, the last line only if it is whole") {
  const fixture::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.csv";
  const auto table = [&](const char* text) {
    io::write_file_atomically(path, std::string_view(text));
    return read_csv(path);
  };
  const CsvTable t = table("epoch,loss\n1,0.5\n2,2.5e-1\n3,0.");
  CHECK(t.rows.size() == 2);
  CHECK(t.rows[1][t.column("loss")] == 0.25);
  CHECK(message_of<FileError>([&] { t.column("acc"); }) == "the table has no column acc");
  CHECK(table("").names.empty());
  CHECK(std::isnan(table("a\nnan\n").rows[0][0]));
  CHECK(message_of<FileError>([&] { table("a,b\n1\n"); }) ==
        path.string() + ", line 2: has 1 fields, expected 2");
  CHECK(message_of<FileError>([&] { table("a,b\n1,x\n"); }) ==
        path.string() + ", line 2: \"x\" is no number");
  CHECK(message_of<FileError>([&] { table("a,b\n1,\n"); }) == path.string() + ", line 2: \"\" is no number");
}
