// The scan of image files: what is found without decoding them, what is not.
#include "minivit/data/image_scan.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/file.hpp"

using namespace minivit;
using namespace minivit::image;
namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Folder {
  fixture::TemporaryFolder folder;

  fs::path put(const std::string& name, const Bytes& bytes) const {
    fixture::write(folder.path() / name, bytes);
    return folder.path() / name;
  }
  FileProblem problem(const std::string& name, const Bytes& bytes) const {
    return scan_image(put(name, bytes)).problem;
  }
};

Bytes cut(Bytes bytes, std::size_t size) {
  bytes.resize(size);
  return bytes;
}

}  // namespace

TEST_CASE("images that can be read, with their sizes") {
  const Folder f;
  for (const char* name :
       {"baseline.jpg", "progressive.jpg", "cmyk.jpg", "interlaced.png", "palette.png", "bits24.bmp"}) {
    CAPTURE(name);
    const ScannedFile file = scan_image(fixture::path(std::string("data_decode/") + name));
    CHECK(file.problem == FileProblem::none);
    CHECK(file.message.empty());
    CHECK(file.size.width == 23);
    CHECK(file.size.height == 17);
  }
  // More than the beginning that is read at first; bytes behind the end of a JPEG are nobody's business.
  encode_png(f.folder.path() / "large.png", fixture::noise(400, 300));
  REQUIRE(fs::file_size(f.folder.path() / "large.png") > (256 << 10));
  CHECK(scan_image(f.folder.path() / "large.png").size.width == 400);
  Bytes jpeg = fixture::read(fixture::path("data_decode/baseline.jpg"));
  jpeg.insert(jpeg.end(), 100, 'x');
  CHECK(f.problem("trailer.jpg", jpeg) == FileProblem::none);
}

TEST_CASE("files that cannot be images, by kind") {
  const Folder f;
  const Bytes jpeg = fixture::read(fixture::path("data_decode/baseline.jpg")),
              png = fixture::read(fixture::path("data_decode/rgb16.png")),
              bmp = fixture::read(fixture::path("data_decode/bits24.bmp"));
  CHECK(f.problem("empty.jpg", {}) == FileProblem::empty);
  CHECK(f.problem("text.jpg", {'n', 'o', ' ', 'i', 'm', 'a', 'g', 'e', '\n'}) == FileProblem::unknown);
  CHECK(f.problem("begun.jpg", cut(jpeg, 20)) == FileProblem::damaged);
  // Cut off anywhere: the header is fine, the end is missing.
  CHECK(f.problem("half.jpg", cut(jpeg, jpeg.size() / 2)) == FileProblem::damaged);
  CHECK(f.problem("almost.jpg", cut(jpeg, jpeg.size() - 40)) == FileProblem::damaged);
  CHECK(f.problem("half.png", cut(png, png.size() / 2)) == FileProblem::damaged);
  CHECK(f.problem("half.bmp", cut(bmp, bmp.size() / 2)) == FileProblem::damaged);
  Bytes huge = png;  // the header says 2^30 x 2^30
  huge[16] = huge[20] = 0x40;
  CHECK(f.problem("huge.png", huge) == FileProblem::damaged);
  fs::create_symlink("nowhere", f.folder.path() / "link.jpg");
  CHECK(scan_image(f.folder.path() / "link.jpg").problem == FileProblem::missing);
  fs::create_directories(f.folder.path() / "folder.jpg");
  CHECK(scan_image(f.folder.path() / "folder.jpg").problem == FileProblem::damaged);
  const ScannedFile text = scan_image(f.folder.path() / "text.jpg");
  CHECK(text.message.starts_with(f.folder.str() + "/text.jpg: not a "));
  CHECK(text.size.width == 0);
}

TEST_CASE("a file that the system does not read is no bad image") {
  const Folder f;
  CHECK(message_of<AccessError>([&] { static_cast<void>(scan_image(f.folder.path() / "gone.jpg")); }) ==
        "cannot read " + f.folder.str() + "/gone.jpg: No such file or directory");
  if (::geteuid() == 0) return;  // for root everything is readable
  const fs::path closed = f.put("closed.jpg", {'x'});
  fs::permissions(closed, fs::perms::none);
  CHECK(message_of<AccessError>([&] { static_cast<void>(scan_image(closed)); }) ==
        "cannot read " + closed.native() + ": Permission denied");
}

TEST_CASE("many files with any number of threads give the same") {
  const Folder f;
  std::vector<fs::path> paths;
  for (int i = 0; i < 60; ++i) {
    const std::string name = std::to_string(i) + ".png";
    if (i % 7 == 3)
      f.put(name, {});
    else
      encode_png(f.folder.path() / name, fixture::plain(1 + i, 2, 1, 2, 3));
    paths.push_back(f.folder.path() / name);
  }
  for (const int threads : {0, 1, 5}) {
    std::size_t last = 0;
    const auto files = scan_images(paths, threads, [&](std::size_t done) {
      CHECK(done >= last);
      last = done;
    });
    REQUIRE(files.size() == 60);
    for (int i = 0; i < 60; ++i) {
      const auto& file = files[static_cast<std::size_t>(i)];
      CHECK(file.problem == (i % 7 == 3 ? FileProblem::empty : FileProblem::none));
      CHECK(file.size.width == (i % 7 == 3 ? 0 : 1 + i));
    }
    fs::path gone = f.folder.path() / "gone.png";
    std::swap(paths[30], gone);
    CHECK(message_of<AccessError>([&] { static_cast<void>(scan_images(paths, threads)); }).find("gone.png") !=
          std::string::npos);
    std::swap(paths[30], gone);
  }
  CHECK(scan_images({}, 2).empty());
}
