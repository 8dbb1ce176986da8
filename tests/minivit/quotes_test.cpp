// Quotes around values: taken off in one way for settings and for sweeps.
#include "quotes.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "overrides.hpp"
#include "support/message_of.hpp"
#include "sweep.hpp"

using namespace minivit;
using namespace minivit::cli;

TEST_CASE("quotes around all of a value are no part of it") {
  CHECK(without_quotes("photos") == "photos");
  CHECK(without_quotes("'photos, mine'") == "photos, mine");
  CHECK(without_quotes("\"photos, mine\"") == "photos, mine");
  CHECK(without_quotes("''").empty());
  CHECK(without_quotes("").empty());
  CHECK(without_quotes(R"("a\"b\\c\n'")") == R"(a"b\c\n')");
  CHECK(without_quotes(R"('it\'s "this"')") == R"(it's "this")");
  for (const char* text : {"Anna's", "5\"", "'a' and 'b'", "a'b'", " 'a'"})
    CHECK(without_quotes(text) == text);
  for (const char* text : {"'", "\"photos", "'photos\"", R"("a\")"})
    CHECK(message_of<ConfigError>([&] { without_quotes(text); }) ==
          "the quote " + std::string(1, text[0]) + " is not closed");
}

TEST_CASE("a value that begins with a quote is put into quotes") {
  for (const char* value : {"", "a", "Anna's", "'a'", "\"a\"", "'", "\"", R"('a\')", R"("\\)", "\xe9'"})
    CHECK(without_quotes(with_quotes_if_needed(value)) == value);
  CHECK(with_quotes_if_needed("a b") == "a b");
}

TEST_CASE("a setting has the same value with and without a sweep") {
  std::string folder;
  Settings schema;
  schema.add("data.train", folder, "");
  for (const std::string typed : {"photos", "'photos, mine'", "\"photos, mine\"", R"("'photos'")",
                                  R"('"photos"')", R"("a\\b")", "Anna's"}) {
    CAPTURE(typed);
    std::vector<Assignment> alone, swept;
    apply_override(alone, "data.train=" + typed, schema);
    const std::vector<Sweep> sweeps{parse_sweep("data.train=" + typed)};
    const std::vector<Job> jobs = grid(sweeps);
    REQUIRE(jobs.size() == 1);
    apply_override(swept, jobs[0].overrides[0], schema);
    CHECK(alone[0].value == swept[0].value);
  }
  std::vector<Assignment> none;
  CHECK(message_of<ConfigError>([&] { apply_override(none, "data.train='photos", schema); }) ==
        "\"data.train='photos\": the quote ' is not closed");
}
