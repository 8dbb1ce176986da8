// The command line of a benchmark: `--flag` and `--name value`. Wrong usage ends the program with 2.
#pragma once

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

class Arguments {
 public:
  Arguments(int argc, char** argv, const char* usage) : words_(argv + 1, argv + argc), usage_(usage) {
    if (!flag("--help")) return;
    std::printf("usage: %s\n", usage);
    std::exit(0);
  }

  /// Whether `name` is there.
  bool flag(const std::string& name) {
    for (auto word = words_.begin(); word != words_.end(); ++word)
      if (*word == name) return words_.erase(word), true;
    return false;
  }

  /// What follows `name`, or `otherwise`.
  std::string text(const std::string& name, const std::string& otherwise) {
    for (auto word = words_.begin(); word != words_.end(); ++word)
      if (*word == name) {
        if (word + 1 == words_.end()) wrong(name + " needs a value");
        const std::string value = word[1];
        words_.erase(word, word + 2);
        return value;
      }
    return otherwise;
  }

  /// The same for whole numbers from 1 to 4096; 0 if it is not there.
  int number(const std::string& name) {
    const std::string value = text(name, "");
    if (value.empty()) return 0;
    int n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error != std::errc() || end != value.data() + value.size() || n < 1 || n > 4096)
      wrong(name + " is " + value + ", expected 1 to 4096");
    return n;
  }

  /// To be called when everything has been asked for: what is left is wrong.
  void finish() const {
    if (!words_.empty()) wrong("unknown or repeated argument " + words_.front());
  }

  [[noreturn]] void wrong(const std::string& what) const {
    std::fprintf(stderr, "%s\nusage: %s\n", what.c_str(), usage_);
    std::exit(2);
  }

 private:
  std::vector<std::string> words_;
  const char* usage_;
};

/// "a,b,c" -> {"a", "b", "c"}
inline std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts(1);
  for (const char c : list)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

}  // namespace bench
