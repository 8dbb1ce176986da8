// Configuration files: what is read, what is refused, and where that stands.
#include "yaml.hpp"
#include "minivit/core/atomic_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "data/fixture.hpp"
#include "support/message_of.hpp"
#include "train_config.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

namespace {

struct Files {
  fixture::TemporaryFolder folder;

  fs::path write(const std::string& name, const std::string& text) const {
    io::write_file_atomically(folder.path() / name, text);
    return folder.path() / name;
  }
  /// name=value of every assignment in a file with this text.
  std::string read(const std::string& text) const {
    std::string out;
    for (const Assignment& a : read_yaml(write("c.yaml", text))) out += a.name + "=" + a.value + "\n";
    return out;
  }
  /// What is said about a file with this text, without the name of the folder.
  std::string complaint(const std::string& text) const {
    const fs::path path = write("c.yaml", text);
    std::string message = message_of<ConfigError>([&] { read_yaml(path); });
    const std::string prefix = folder.path().string() + "/";
    for (std::size_t at; (at = message.find(prefix)) != std::string::npos;) message.erase(at, prefix.size());
    return message;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Files, "sections become names with dots, scalars stay the text they are") {
  CHECK(read("training:\n  lr: 1e-4\n  epochs: 3  # passes\nmodel: {preset: tiny, class_token: no}\n"
             "data:\n  train: \"a b\\\"c\"\n  val: ''\n") ==
        "training.lr=1e-4\ntraining.epochs=3\nmodel.preset=tiny\nmodel.class_token=no\ndata.train=a "
        "b\"c\ndata.val=\n");
  CHECK(read("").empty());
  CHECK(read("# nothing\n").empty());
  CHECK(read("training:\n").empty());
  CHECK(read("training:\n  lr: ~\n").empty());
  const auto all = read_yaml(write("c.yaml", "training:\n  lr: 1e-4\n"));
  CHECK(all[0].origin == (folder.path() / "c.yaml").string() + ": line 2, column 7");
}

TEST_CASE_FIXTURE(Files, "names that are not UTF-8 are written as bytes and read back") {
  for (const std::string name : {"caf\xe9", "\xff", "/photos/\xc3\x28 \"x\" # y\n", "\xe9\xff\x1b[2J"}) {
    CAPTURE(name);
    const std::string text = yaml_text(name);
    CHECK(text.starts_with("!!binary \""));
    CHECK(text.find('\n') == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(read("data:\n  train: " + text + "\n  val: x\n") == "data.train=" + name + "\ndata.val=x\n");
    CHECK(read_yaml_list(write("list.yaml", "- " + text + "\n- b\n")) == std::vector<std::string>{name, "b"});
  }
  CHECK(yaml_text("caf\xc3\xa9") == "\"caf\xc3\xa9\"");
  CHECK(complaint("data:\n  train: !!binary \"?\"\n") ==
        "c.yaml: line 2, column 10: found !!binary that is not base64");
}

TEST_CASE_FIXTURE(Files, "defaults come first and can be taken back") {
  write("base.yaml", "training: {lr: 0.1, epochs: 5}\n");
  write("more.yaml", "defaults: base\ntraining: {epochs: 7}\n");
  CHECK(read("training: {lr: 0.3}\ndefaults: [more]\n") ==
        "training.lr=0.1\ntraining.epochs=5\ntraining.epochs=7\ntraining.lr=0.3\n");
  CHECK(read("defaults: more.yaml\ntraining: {epochs: null}\n") == "training.lr=0.1\n");
  CHECK(complaint("defaults: c\n") == "c.yaml: includes itself by way of its defaults: c.yaml -> c.yaml");
  CHECK(complaint("defaults: [[a]]\n") ==
        "c.yaml: line 1, column 12: found a list in a list, expected names of files beside this one");
  CHECK(complaint("defaults: [{a: b}]\n").ends_with("found a map, expected names of files beside this one"));
  CHECK(complaint("defaults:\n").ends_with("expected the name of a file beside this one"));
  CHECK(complaint("training: {defaults: [a]}\n").find("found a list, expected name: value") !=
        std::string::npos);
  CHECK(message_of<FileError>([&] { read_yaml(write("c.yaml", "defaults: none\n")); }).find("none.yaml") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Files, "a file that several begin with is read once, where it is first named") {
  write("base.yaml", "training: {lr: 0.1, epochs: 5}\n");
  write("a.yaml", "defaults: base\ntraining: {lr: 0.2}\n");
  write("b.yaml", "defaults: [base, ./base.yaml]\ntraining: {epochs: 6}\n");
  CHECK(read("defaults: [a, b, a, base]\n") ==
        "training.lr=0.1\ntraining.epochs=5\ntraining.lr=0.2\ntraining.epochs=6\n");
  write("b.yaml", "training: {lr: ~}\n");  // what comes later counts
  CHECK(read("defaults: [a, b]\n") == "training.epochs=5\n");
  write("a.yaml", "defaults: b\n");
  write("b.yaml", "defaults: c\n");
  CHECK(complaint("defaults: a\n") ==
        "c.yaml: includes itself by way of its defaults: c.yaml -> a.yaml -> b.yaml -> c.yaml");
}

TEST_CASE_FIXTURE(Files, "chains of defaults do not double, and are not endless") {
  for (int i = 0; i < 40; ++i)
    write(str_cat("n", i, ".yaml"),
          str_cat("defaults: [n", i + 1, ", n", i + 1, "]\nnotes: {n", i, ": x}\n"));
  write("n25.yaml", "training: {lr: 0.1}\n");
  CHECK(read_yaml(folder.path() / "n0.yaml").size() == 26);
  write("n25.yaml", "defaults: n26\n");
  write("n40.yaml", "training: {lr: 0.1}\n");
  CHECK(message_of<ConfigError>([&] {
          read_yaml(folder.path() / "n0.yaml");
        }).ends_with("n32.yaml: is the 33th file of a chain of defaults, at most 32 are accepted"));
  std::string many = "defaults: [";
  for (int i = 0; i < 300; ++i) many += "n39, ";
  CHECK(complaint(many + "n39]\n").find("has 301 defaults, at most 256") != std::string::npos);
}

TEST_CASE("a text in memory is read as a file is") {
  CHECK(parse_yaml("training: {lr: 1}\n", "t").at(0).origin == "t: line 1, column 16");
  CHECK(parse_yaml_list("- a\n- 'b c'\n", "t") == std::vector<std::string>{"a", "b c"});
  CHECK(message_of<ConfigError>([] { parse_yaml("defaults: a\n", "t"); }) ==
        "t: has defaults, which only a file may have");
}

TEST_CASE_FIXTURE(Files, "malformed files are refused with line and column") {
  CHECK(complaint("training: {lr: 0.1\n").starts_with("c.yaml: line 2, column 1: "));
  CHECK(complaint("training:\n  lr: 0.1\n bad: 2\n").starts_with("c.yaml: line 3, column 2: "));
  CHECK(complaint("training:\n\tlr: 1\n").starts_with("c.yaml: line 2, column "));
  CHECK(complaint("a: *nobody\n").starts_with("c.yaml: line 1, column "));
  CHECK(complaint("- a\n- b\n").starts_with("c.yaml: line 1, column 1: found a list, expected name: value"));
  CHECK(complaint("training:\n  lr: 1\n  lr: 2\n") == "c.yaml: line 3, column 3: training.lr appears twice");
  CHECK(complaint("training:\n  lr: [1, 2]\n") ==
        "c.yaml: line 2, column 7: found a list, expected name: value; lists are for sweeps, name=a,b");
  CHECK(complaint("'': 1\n") == "c.yaml: line 1, column 1: expected the name of a setting");
  CHECK(complaint("[a, b]: 1\n").starts_with("c.yaml: line 1, column 1: found a list"));
}

TEST_CASE_FIXTURE(Files, "files made to exhaust memory or stack are refused") {
  std::string bomb = "a0: &a0 {x: 1}\n";
  for (int i = 1; i < 30; ++i) {
    bomb += str_cat("a", i, ": &a", i, " {");
    for (int k = 0; k < 8; ++k) bomb += str_cat(k ? ", " : "", "k", k, ": *a", i - 1);
    bomb += "}\n";
  }
  CHECK(complaint(bomb).find("found an alias") != std::string::npos);
  CHECK(complaint(std::string(100000, '[')) != "nothing was thrown");
  CHECK(complaint("a: " + std::string(100000, '{')) != "nothing was thrown");
  CHECK(message_of<FileError>([&] {
          read_yaml(write("c.yaml", std::string(2 << 20, '#')));
        }).ends_with("at most 1048576 are accepted"));
}

TEST_CASE_FIXTURE(Files, "what a run writes is what it reads") {
  TrainConfig names;
  const Settings schema = names.settings();
  std::vector<Assignment> given;
  for (const char* text :
       {"data.train=a \"b\" \\c\nd: #e", "data.val=null", "model.preset=tiny", "training.lr=1e-05",
        "training.ema=0.99", "model.image_size=32x16", "model.class_token=no", "model.pooling=mean",
        "+notes.why=because: no", "notes.1=\x01"})
    apply_override(given, text, schema);
  const TrainConfig c = TrainConfig::from(given);
  const fs::path path = write("config.yaml", c.yaml());
  const TrainConfig back = TrainConfig::from(read_yaml(path));
  CHECK(back.yaml() == c.yaml());
  CHECK(back.data.train == "a \"b\" \\c\nd: #e");
  CHECK(back.data.val == "null");
  CHECK(back.training.lr == 1e-5);
  CHECK(back.model.num_heads == 3);
  CHECK(back.notes.size() == 2);
  CHECK(back.notes[0].second == "because: no");
}

TEST_CASE("the configurations that come with the library are valid, and config.yaml says the time alone") {
  const fs::path configs = fs::path(MINIVIT_TEST_DATA) / "../../../examples/configs";
  int count = 0;
  for (const auto& entry : fs::directory_iterator(configs)) {
    CAPTURE(entry.path());
    std::vector<Assignment> all = read_yaml(entry.path());
    all.push_back({"data.train", "photos", ""});
    // What has to be given, is.
    const auto pretrained =
        std::find_if(all.begin(), all.end(), [](const Assignment& a) { return a.value == kMissing; });
    CHECK((pretrained != all.end()) == (entry.path().filename() == "finetune.yaml"));
    if (pretrained != all.end()) {
      CHECK(pretrained->name == "model.pretrained");
      CHECK(message_of<ConfigError>([&] {
              TrainConfig::from(all);
            }).find("model.pretrained has to be given") != std::string::npos);
      all.push_back({"model.pretrained", MINIVIT_TEST_DATA "/pretrained/hf_vit", ""});
    }
    TrainConfig c = TrainConfig::from(all);
    if (entry.path().filename() == "config.yaml") {
      const std::vector<Assignment> none{{"data.train", "photos", ""}};
      CHECK(std::exchange(c.training.budget, "0") == "30m");
      CHECK(c.yaml() == TrainConfig::from(none).yaml());
    }
    ++count;
  }
  CHECK(count >= 5);
}
