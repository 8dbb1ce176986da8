// JSON: on tens of thousands of damaged texts the same value as nlohmann/json by itself, or stricter.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "minivit/core/rng.hpp"
#include "minivit/io/json.hpp"

using namespace minivit;
using namespace minivit::io;

namespace {

/// What both think of a text, in few words.
struct Verdicts {
  std::string ours, theirs;     // the value, written by nlohmann/json; "" if it was refused
  std::string refusal, reread;  // why ours is ""; `ours`, written and read again by us
};

Verdicts verdicts(const std::string& text) {
  Verdicts v;
  const auto theirs = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!theirs.is_discarded()) v.theirs = theirs.dump();
  try {
    const Json ours = parse_json(text, "x");
    // What is written escapes more than nlohmann/json does, so it is compared as that reads it.
    v.ours = nlohmann::ordered_json::parse(json_text(ours)).dump();
    v.reread = nlohmann::ordered_json::parse(json_text(parse_json(json_text(ours, 2), "x"))).dump();
  } catch (const FileError& error) { v.refusal = error.what(); }
  return v;
}

/// What we refuse although nlohmann/json accepts it: it keeps the last of equal keys, rounds what exceeds 64
/// bits, and takes a NUL for the end.
bool stricter_on_purpose(const std::string& refusal) {
  for (const char* reason : {"appears twice", "out of the range", "is a NUL"})
    if (refusal.find(reason) != std::string::npos) return true;
  return false;
}

std::string damaged(std::string text, Rng& rng) {
  constexpr std::string_view kBytes =
      "{}[]:,\"\\/0123456789.eE+-truefalsnl u \n\t\x7f\x80\xC3\xA9\xED\xB0\xF4\xFF";
  for (std::uint32_t times = 1 + rng.below(3); times > 0; --times) {
    const std::size_t at = rng.below(static_cast<std::uint32_t>(text.size()));
    const std::size_t size = 1 + rng.below(8);
    const char byte =
        rng.below(20) == 0 ? '\0' : kBytes[rng.below(static_cast<std::uint32_t>(kBytes.size()))];
    const std::string piece = text.substr(rng.below(static_cast<std::uint32_t>(text.size())), size);
    switch (rng.below(4)) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.insert(at, 1, byte);
        break;
      case 2:
        text.insert(at, piece);
        break;
      default:
        text.erase(at, size);
    }
    if (text.empty()) text = "0";
  }
  return text;
}

}  // namespace

TEST_CASE("json: nlohmann/json reads the same from damaged texts") {
  const std::string texts[] = {
      R"({"a": [1, -2.5e3, "x\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": [true, false, {}]}, "": "\"\\\/"})",
      R"([0, -0, 1.0, 1e5, 1E-7, 123456789012, 9223372036854775807, -9223372036854775808, 0.1, 1.7976931348623157e308])",
      "[\"\u00e9\u20ac\U0001F600\x7f\", \"\\u0000\\b\\f\\n\\r\\t\\u001f\", \"\\udbff\\udfff\", [[[[[]]]]], "
      "{\"k\":{\"k\":1}}]",
      R"("a")",
      " -12.25 ",
      "[]"};
  Rng rng(7);
  int accepted = 0, refused = 0;
  std::string disagreement;
  for (int i = 0; i < 40000 && disagreement.empty(); ++i) {
    const std::string text = i < 6 ? texts[i] : damaged(texts[i % 6], rng);
    const Verdicts v = verdicts(text);
    const bool agreed = v.ours == v.theirs && v.ours == v.reread;
    if (!agreed && !(v.ours.empty() && stricter_on_purpose(v.refusal)))
      disagreement =
          str_cat(text, "\nours: ", v.ours, v.refusal, "\ntheirs: ", v.theirs, "\nread again: ", v.reread);
    ++(v.ours.empty() ? refused : accepted);
  }
  CHECK(disagreement == "");
  CHECK(accepted > 5000);
  CHECK(refused > 5000);
}

TEST_CASE("json: doubles are written so that nlohmann/json reads the same") {
  Rng rng(8);
  int wrong = 0;
  for (int i = 0; i < 50000; ++i) {
    const auto bits = std::uint64_t{rng.next()} << 32 | rng.next();
    const auto value = std::bit_cast<double>(bits);
    if (!std::isfinite(value)) continue;
    const std::string text = json_text(value);
    wrong +=
        nlohmann::json::parse(text).get<double>() != value || json_as<double>(parse_json(text, "x")) != value;
  }
  CHECK(wrong == 0);
}
