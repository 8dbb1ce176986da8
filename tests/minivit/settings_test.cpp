// Settings from text: types, ranges, near misses, and how they are written down.
#include "settings.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

/// A setting of each kind.
struct Program {
  std::int64_t count = 3;
  int threads = 1;
  std::uint64_t seed = 0;
  double rate = 0.5;
  float decay = 0.1f;
  bool fast = false;
  std::string name = "default", mode = "slow";
  Settings settings;

  Program() {
    settings.add("run.count", count, "how many", std::int64_t{1}, std::int64_t{10});
    settings.add("run.threads", threads, "threads", 0);
    settings.add("run.seed", seed, "seed");
    settings.add("math.rate", rate, "a rate", 0.0, 1.0);
    settings.add("math.decay", decay, "a decay", 0.0f);
    settings.add("math.fast", fast, "fast or not");
    settings.add("text.name", name, "any text");
    settings.add("text.mode", mode, "a word", {"slow", "quick"});
  }

  std::string complaint(const std::string& assignment) {
    return message_of<ConfigError>([&] { settings.apply(assignment); });
  }
  bool accepts(const std::string& assignment) { return complaint(assignment) == "nothing was thrown"; }
};

}  // namespace

TEST_CASE("values of every type") {
  Program p;
  for (const char* assignment :
       {"run.count=10", "run.threads=0", "run.seed=18446744073709551615", "math.rate=1e-4",
        "math.decay=2.5E+1", "math.fast=true", "text.name=a=b c", "text.mode=quick"})
    p.settings.apply(assignment);
  CHECK(p.count == 10);
  CHECK(p.threads == 0);
  CHECK(p.seed == 18446744073709551615u);
  CHECK(p.rate == 1e-4);
  CHECK(p.decay == 25.0f);
  CHECK(p.fast);
  CHECK(p.name == "a=b c");
  CHECK(p.mode == "quick");
  for (const char* assignment : {"run.count=+5", "math.rate=.25", "math.fast=false", "text.name="})
    p.settings.apply(assignment);
  CHECK(p.count == 5);
  CHECK(p.rate == 0.25);
  CHECK_FALSE(p.fast);
  CHECK(p.name.empty());
  p.settings.apply("math.rate=1");
  CHECK(p.rate == 1.0);
}

TEST_CASE("a boolean is true or false, in the ways of YAML") {
  Program p;
  for (const char* yes : {"true", "True", "TRUE", "yes", "on"}) {
    p.fast = false;
    p.settings.apply(str_cat("math.fast=", yes));
    CHECK_MESSAGE(p.fast, yes);
  }
  for (const char* no : {"false", "False", "no", "No", "off"}) {
    p.fast = true;
    p.settings.apply(str_cat("math.fast=", no));
    CHECK_MESSAGE(!p.fast, no);
  }
}

TEST_CASE("a value that is refused is named with what is expected, and changes nothing") {
  Program p;
  CHECK(p.complaint("run.count=11") == "run.count is \"11\", expected a whole number from 1 to 10");
  CHECK(p.complaint("run.count=0") == "run.count is \"0\", expected a whole number from 1 to 10");
  CHECK(p.complaint("run.threads=-1") == "run.threads is \"-1\", expected a whole number, 0 or more");
  CHECK(p.complaint("run.seed=-1") == "run.seed is \"-1\", expected a whole number, 0 or more");
  CHECK(p.complaint("math.rate=1.1") == "math.rate is \"1.1\", expected a number from 0 to 1");
  CHECK(p.complaint("math.decay=-1e-9") == "math.decay is \"-1e-9\", expected a number, 0 or more");
  CHECK(p.complaint("math.fast=maybe") == "math.fast is \"maybe\", expected true or false");
  CHECK(p.complaint("text.mode=fast") == "text.mode is \"fast\", expected one of slow quick");
  for (const char* value :
       {"", " ", "five", "5.0", "5 ", " 5", "5x", "0x5", "1e1", "++5", "+-5", "-", "99999999999999999999"}) {
    CAPTURE(value);
    CHECK_FALSE(p.accepts(str_cat("run.count=", value)));
  }
  for (const char* value : {"", "nan", "inf", "1e400", "0,5", "0.5.5", "1e", "0.5f"}) {
    CAPTURE(value);
    CHECK_FALSE(p.accepts(str_cat("math.rate=", value)));
    CHECK_FALSE(p.accepts(str_cat("math.decay=", value)));
  }
  int number = 0;
  CHECK_FALSE(detail::parse_number("+-5", number));
  for (const char* value : {"", "1", "tru", "true ", "y"})
    CHECK_FALSE(p.accepts(str_cat("math.fast=", value)));
  CHECK_FALSE(p.accepts("text.mode="));
  CHECK(p.count == 3);
  CHECK(p.rate == 0.5);
  CHECK(p.decay == 0.1f);
  CHECK_FALSE(p.fast);
  CHECK(p.mode == "slow");
}

TEST_CASE("an unknown name is answered with the nearest") {
  Program p;
  CHECK(p.complaint("run.cuont=5") == "unknown setting \"run.cuont\"; did you mean \"run.count\"?");
  CHECK(p.complaint("rate=0.1") == "unknown setting \"rate\"; did you mean \"math.rate\"?");
  CHECK(p.complaint("text.mood=quick") == "unknown setting \"text.mood\"; did you mean \"text.mode\"?");
  CHECK(p.complaint("MATH.FAST=true") == "unknown setting \"MATH.FAST\"; did you mean \"math.fast\"?");
  CHECK(p.complaint("text.mode=quik") ==
        "text.mode is \"quik\", expected one of slow quick; did you mean quick?");
  CHECK(p.complaint("zebra=1") == "unknown setting \"zebra\"");
  CHECK(p.complaint("=5").starts_with("unknown setting \"\""));
  CHECK(p.complaint("run.count") == "\"run.count\": expected name=value, as training.lr=0.001");
  CHECK(p.complaint("") == "\"\": expected name=value, as training.lr=0.001");
  CHECK(Settings().yaml().empty());
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("flaw", "lawn") == 2);
  CHECK(edit_distance("same", "same") == 0);
}

TEST_CASE("settings are written as YAML by section, texts in quotes") {
  Program p;
  CHECK(p.settings.yaml() ==
        "run:\n  count: 3\n  threads: 1\n  seed: 0\n"
        "math:\n  rate: 0.5\n  decay: 0.1\n  fast: false\n"
        "text:\n  name: \"default\"\n  mode: slow\n");
  p.settings.apply("text.name=say \"a\\b\"\n\x01\x1f größe");
  CHECK(p.settings.yaml().ends_with("  name: \"say \\\"a\\\\b\\\"\\x0a\\x01\\x1f größe\"\n  mode: slow\n"));
}

TEST_CASE("help has a line for each setting, in columns") {
  Program p;
  const std::string help = p.settings.help();
  CHECK(help.starts_with("  run.count=3 "));
  CHECK(help.find("how many (a whole number from 1 to 10)\n") != std::string::npos);
  CHECK(help.find("text.mode=slow") != std::string::npos);
  std::vector<std::size_t> columns;
  for (const char* words : {"how many (", "a rate (", "any text ("}) {
    const std::size_t at = help.find(words);
    REQUIRE(at != std::string::npos);
    columns.push_back(at - (help.rfind('\n', at) + 1));
  }
  CHECK(columns[0] == columns[1]);
  CHECK(columns[1] == columns[2]);
}

TEST_CASE("help and tables show the usual settings first, the others in their groups") {
  int a = 1, b = 2, c = 3;
  Settings s;
  s.usual({"x.c"});
  s.group("First");
  s.add("x.a", a, "one");
  s.group("Second");
  s.add("x.b", b, "two");
  s.add("x.c", c, "three");
  CHECK(s.usual_help() == "  x.c=3  three (a whole number)\n");
  CHECK(s.help() == "First:\n  x.a=1  one (a whole number)\n\nSecond:\n  x.b=2  two (a whole number)\n");
  const std::string table = s.markdown();
  CHECK(table.starts_with("## The usual ones\n\n| setting | default |"));
  CHECK(table.find("`x.c`") < table.find("## First"));
  CHECK(table.find("## First") < table.find("`x.a`"));
  CHECK(table.find("## Second") < table.find("`x.b`"));
  CHECK(s.yaml() == "x:\n  a: 1\n  b: 2\n  c: 3\n");  // in the order in which they were added
}

TEST_CASE("settings as a table in Markdown") {
  int width = 2;
  std::string text = "a|b";
  Settings s;
  s.add("box.width", width, "of the box", 1, 9);
  s.add("box.text", text, "this | that");
  CHECK(s.markdown() ==
        "| setting | default | expected | help |\n|---|---|---|---|\n"
        "| `box.width` | `2` | a whole number from 1 to 9 | of the box |\n"
        "| `box.text` | `\"a\\|b\"` | text | this \\| that |\n");
}

TEST_CASE("old spellings of names and values, one after the other") {
  int depth = 0;
  std::string size;
  Settings s;
  s.add("model.depth", depth, "blocks");
  s.add("model.size", size, "how large", {"mini", "large"});
  s.rename("model.layers", "model.num_layers");
  s.rename("model.num_layers", "model.depth");
  s.rename_value("model.size", "seed", "mini");
  const Settings::Spelling name = s.spelling("model.layers", "3");
  CHECK(name.name == "model.depth");
  CHECK(name.value == "3");
  CHECK(name.change ==
        "model.layers is now called model.num_layers; model.num_layers is now called model.depth");
  const Settings::Spelling value = s.spelling("model.size", "seed");
  CHECK(value.name == "model.size");
  CHECK(value.value == "mini");
  CHECK(value.change == "model.size=seed is now called model.size=mini");
  CHECK(s.spelling("model.size", "large").change.empty());
  CHECK(s.spelling("model.depth", "seed").value == "seed");  // of another setting
  CHECK(s.words("model.size") == std::vector<std::string>{"mini", "large"});
  CHECK(s.words("model.depth").empty());
}
