// Folders of splits, told from folders of classes.
#include "minivit/data/folder_splits.hpp"

#include <doctest/doctest.h>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"

using namespace minivit;
namespace fs = std::filesystem;

namespace {

/// A folder with these folders in it.
struct Tree {
  fixture::TemporaryFolder folder;
  explicit Tree(std::initializer_list<const char*> names) {
    for (const char* name : names) fs::create_directories(folder.path() / name);
  }
  /// The names of the splits, for training, validation and test.
  std::string splits() const {
    const FolderSplits s = find_splits(folder.path());
    return s.train.filename().native() + "," + s.val.filename().native() + "," + s.test.filename().native();
  }
  std::string refusal() const {
    return message_of<FileError>([&] { static_cast<void>(find_splits(folder.path())); });
  }
};

}  // namespace

TEST_CASE("splits by their usual names") {
  CHECK(Tree{"train/ant", "train/bee", "val/ant", "val/bee"}.splits() == "train,val,");
  CHECK(Tree{"train/ant", "valid/ant", "test/ant"}.splits() == "train,valid,test");
  CHECK(Tree{"Training/ant", "Validation/ant", "Testing/ant"}.splits() == "Training,Validation,Testing");
  CHECK(Tree{"train/ant", "dev/ant"}.splits() == "train,dev,");
  CHECK(Tree{"train/ant", "test/ant"}.splits() == "train,,test");
  CHECK(Tree{"train/ant", "train/bee"}.splits() == "train,,");
  CHECK(Tree{"val/ant", "test/ant"}.splits() == ",val,test");
  CHECK(Tree{"train/ant", "val/bee"}.splits() == "train,val,");  // the classes are compared later
  CHECK(Tree{"train/ant", "val/ant", ".git/x", "__MACOSX/train"}.splits() == "train,val,");
  CHECK(Tree{"train/ant", "val/ant", "scripts"}.splits() == "train,val,");
}

TEST_CASE("classes stay classes") {
  CHECK(Tree{"ant", "bee"}.splits() == ",,");
  CHECK(Tree{"train", "bus", "tram"}.splits() == ",,");  // vehicles
  CHECK(Tree{"train/steam", "train/diesel", "bus/city", "test/drive"}.splits() == ",,");
  CHECK(Tree{"train"}.splits() == ",,");
  CHECK(Tree{}.splits() == ",,");
  CHECK(Tree{"ant/train", "bee/train"}.splits() == ",,");
}

TEST_CASE("what may be both is refused") {
  const Tree twice{"train/ant", "val/ant", "valid/ant"};
  CHECK(twice.refusal() ==
        twice.folder.str() +
            ": holds val/ and valid/, which are names of the same split; give the right one alone");
  const Tree flat{"train", "val"};
  CHECK(flat.refusal() ==
        flat.folder.str() +
            ": holds train/ and val/, which are names of splits, but in them are no folders of "
            "classes; expected train/CLASS/IMAGE, or other names if these are the classes");
  CHECK(message_of<FileError>([&] { static_cast<void>(find_splits(flat.folder.path() / "none")); }) ==
        flat.folder.str() + "/none: cannot be read: No such file or directory");
}
