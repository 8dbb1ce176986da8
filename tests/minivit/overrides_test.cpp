// Assignments: the grammar of the command line, origins in messages, notes.
#include "overrides.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

struct Fixture {
  double lr = 0.1;
  std::int64_t layers = 6;
  bool flip = false;
  std::string name = "x";
  Settings schema;
  std::vector<Assignment> assignments{{"training.lr", "0.5", "base.yaml: line 2, column 7"}};

  Fixture() {
    schema.add("training.lr", lr, "", 0.0, 1.0);
    schema.add("model.num_layers", layers, "", std::int64_t{1}, std::int64_t{100});
    schema.add("model.flip", flip, "");
    schema.add("model.name", name, "");
  }
  std::string complaint(const char* text) {
    return message_of<ConfigError>([&] { apply_override(assignments, text, schema); });
  }
  void after(std::vector<const char*> texts) {
    for (const char* text : texts) apply_override(assignments, text, schema);
    assign(schema, assignments);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "the last assignment counts") {
  after({"training.lr=1e-4", "model.num_layers=8", "training.lr=0.25"});
  CHECK(lr == 0.25);
  CHECK(layers == 8);
}

TEST_CASE_FIXTURE(Fixture, "1e-4 is a number, and no is a text unless a boolean is asked for") {
  after({"training.lr=1e-4", "model.name=no", "model.flip=yes"});
  CHECK(lr == 1e-4);
  CHECK(name == "no");
  CHECK(flip);
  after({"model.flip=no", "model.name=1e-4"});
  CHECK_FALSE(flip);
  CHECK(name == "1e-4");
}

TEST_CASE_FIXTURE(Fixture, "~ takes back, + adds what is not there, ++ sets in any case") {
  after({"~training.lr", "+model.num_layers=3"});
  CHECK(lr == 0.1);
  CHECK(layers == 3);
  after({"+model.num_layers=4"});  // set by the command line itself: the last one counts
  CHECK(layers == 4);
  assignments.push_back({"training.lr", "0.5", "base.yaml: line 2, column 7"});
  CHECK(complaint("+training.lr=0.2") ==
        "+training.lr=0.2: already set in base.yaml: line 2, column 7; write it without the + to change it");
  after({"++training.lr=0.2"});
  CHECK(lr == 0.2);
}

TEST_CASE_FIXTURE(Fixture, "what is wrong is named") {
  CHECK(complaint("training.lr") == "\"training.lr\": expected name=value, as training.lr=0.001");
  CHECK(complaint("trainng.lr=1") == "unknown setting \"trainng.lr\"; did you mean \"training.lr\"?");
  CHECK(complaint("~trainng.lr") == "unknown setting \"trainng.lr\"; did you mean \"training.lr\"?");
  CHECK(
      complaint("model=small") ==
      "model is a section; the trained model is chosen by model.pretrained=FOLDER, the sizes of a new one by "
      "model.preset=small. Its settings: model.num_layers, model.flip, model.name");
  CHECK(complaint("+purpose=baseline").ends_with("A note of your own is written +notes.purpose=baseline"));
  CHECK(assignments.size() == 1);  // nothing was taken over
  CHECK(message_of<ConfigError>([&] { after({"training.lr=2"}); }) ==
        "training.lr is \"2\", expected a number from 0 to 1");
  assignments = {{"training.lr", "fast", "base.yaml: line 2, column 7"}};
  CHECK(message_of<ConfigError>([&] { after({}); }) ==
        "base.yaml: line 2, column 7: training.lr is \"fast\", expected a number from 0 to 1");
}

TEST_CASE("the name in an override") {
  for (const char* text : {"a.b=1", "+a.b=", "++a.b=c=d", "~a.b", "~a.b=1"})
    CHECK(override_name(text) == "a.b");
  CHECK(override_name("").empty());
  CHECK(override_name("+").empty());
}

TEST_CASE_FIXTURE(Fixture, "notes have any name and do not touch the settings") {
  after({"+notes.purpose=base line", "notes.a.b=1", "~notes.a.b"});
  CHECK(assignments.size() == 2);
  CHECK(assignments[1].name == "notes.purpose");
  CHECK(assignments[1].value == "base line");
}

TEST_CASE("old spellings are read as those of now, with a word about each") {
  int depth = 0;
  Settings schema;
  schema.add("model.depth", depth, "blocks");
  schema.rename("model.layers", "model.depth");
  const std::vector<Assignment> given{
      {"model.layers", "2", "old.yaml: line 1"}, {"model.depth", "3", {}}, {"notes.model.layers", "x", {}}};
  std::vector<std::string> said;
  const auto now = respelled(given, schema, [&](const std::string& line) { said.push_back(line); });
  REQUIRE(now.size() == 3);
  CHECK(now[0].name == "model.depth");
  CHECK(now[0].value == "2");
  CHECK(now[0].origin == "old.yaml: line 1");
  CHECK(now[2].name == "notes.model.layers");
  CHECK(said == std::vector<std::string>{"old.yaml: line 1: model.layers is now called model.depth"});

  std::vector<Assignment> all = now;
  apply_override(all, "model.layers=5", schema);
  CHECK(all.back().name == "model.depth");
  apply_override(all, "~model.layers", schema);  // takes back what was written in either way
  CHECK(all.size() == 1);
}
