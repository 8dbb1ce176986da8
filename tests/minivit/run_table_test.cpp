// Runs that are found, read, and put beside each other.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "leaderboard.hpp"
#include "run_data.hpp"
#include "run_folder.hpp"
#include "run_info.hpp"
#include "run_lock.hpp"
#include "run_table.hpp"
#include "support/message_of.hpp"
#include "text_table.hpp"
#include "yaml.hpp"

using namespace minivit;
using namespace minivit::cli;
namespace fs = std::filesystem;

namespace {

using fixture::TemporaryFolder;
using fixture::write;
using Texts = std::vector<std::string>;

const char* const kConfig =
    "data:\n  train: \"photos \\\"1\\\"\"\n  val: \"\"\nmodel:\n  num_layers: 4\ntraining:\n  epochs: 10\n"
    "  lr: 0.001\noutput:\n  dir: \"outputs\"\n";

/// kConfig with another text in the place of `from`.
std::string config_with(const std::string& from, const std::string& to) {
  std::string text = kConfig;
  return text.replace(text.find(from), from.size(), to);
}

/// A run folder with a model.
fs::path make_run(const fs::path& folder, const std::string& result, const std::string& config = kConfig) {
  write(folder / "config.yaml", config);
  if (!result.empty()) write(folder / "result.json", result);
  write(folder / "best" / "model.safetensors", std::string("x"));
  return folder;
}

std::string finished(double accuracy, const std::string& started = "") {
  return str_cat(R"({"status": "finished", "epochs_done": 10, "epochs": 10, "best_val_acc": )", accuracy,
                 R"(, "best_epoch": 9, "best_val_loss": 0.25, "seconds": 12.5, "parameters": 1000)",
                 started.empty() ? "" : R"(, "started": ")" + started + '"', "}");
}

std::vector<RunInfo> runs_below(const fs::path& root) { return find_runs(std::vector<fs::path>{root}); }

/// What is wrong with a config.yaml of this text, without the file's name; "" if nothing is.
std::string yaml_problem(const std::string& text) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "config.yaml";
  write(path, text);
  try {
    read_yaml_settings(path);
    return "";
  } catch (const FileError& e) {
    const std::string message = e.what();
    return message.starts_with(path.string() + ": ") ? message.substr(path.string().size() + 2) : message;
  }
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("sections of settings are read as texts, in their order") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "config.yaml";
  write(path, std::string("seed: 1\n# a comment\na:\n  x: 1e-4\n  y: no\n  z: \"q \\x41\"\n  e:\n  n: ~\nb: "
                          "{k: 'v, w'}\nlast: größe\n"));
  CHECK(read_yaml_settings(path) == SettingTexts{{"seed", "1"},
                                                 {"a.x", "1e-4"},
                                                 {"a.y", "no"},
                                                 {"a.z", "q A"},
                                                 {"a.e", ""},
                                                 {"a.n", ""},
                                                 {"b.k", "v, w"},
                                                 {"last", "größe"}});
  write(path, std::string());
  CHECK(read_yaml_settings(path).empty());
  write(path, std::string("- a=1\n- \"b=x: y\"\n- 'c=[1, 2]'\n"));
  CHECK(read_yaml_list(path) == Texts{"a=1", "b=x: y", "c=[1, 2]"});
  write(path, std::string("[]\n"));
  CHECK(read_yaml_list(path).empty());
}

TEST_CASE("YAML of any other form is refused with its place") {
  CHECK(yaml_problem("a:\n  b: [1, 2]\n") ==
        "line 2, column 6: found a list, expected name: value; lists are for sweeps, name=a,b");
  CHECK(yaml_problem("a:\n  b:\n    c: 1\n") ==
        "line 3, column 5: found a section in a section, expected name: value");
  CHECK(yaml_problem("a: 1\na: 2\n") == "line 2, column 1: a appears twice");
  CHECK(yaml_problem("a: {x: 1, x: 2}\n") == "line 1, column 11: a.x appears twice");
  CHECK(yaml_problem("a: &x 1\nb: *x\n").find("found an alias") != std::string::npos);
  CHECK(yaml_problem("? {a: 1}\n: 2\n").find("found a map as a name") != std::string::npos);
  CHECK(yaml_problem("- a\n").find("found a list") != std::string::npos);
  CHECK(yaml_problem("only text").find("expected name: value") != std::string::npos);
  CHECK(yaml_problem("a: 1\n---\nb: 2\n") == "has more than one document");
  CHECK(yaml_problem("a: \"open") == "line 1, column 9: illegal EOF in scalar");
  CHECK(yaml_problem("a: 1\n}") == "line 2, column 1: illegal flow end");
  CHECK(yaml_problem("a: {b: 1\n").starts_with("line "));
  CHECK(yaml_problem("a: \xff\n") == "is not valid UTF-8");
  CHECK(yaml_problem(std::string((1 << 20) + 1, '#')).find("at most 1048576 are accepted") !=
        std::string::npos);

  const TemporaryFolder folder;
  const fs::path list = folder.path() / "overrides.yaml";
  for (const char* text : {"a: 1\n", "- [a]\n", "- a: 1\n", "text"}) {
    write(list, std::string(text));
    CHECK(message_of<FileError>([&] {
            read_yaml_list(list);
          }).starts_with(list.string() + ": line 1, column "));
  }
}

TEST_CASE("hostile YAML is refused in no time and on a small stack") {
  const auto start = std::chrono::steady_clock::now();
  constexpr std::size_t kMany = 1 << 18;
  for (const char* piece : {"[", "{",   "a: [",  "{a: ", "- ", "? ",  "&a ", "!t ", "*a ",  "\"",
                            "'", "|\n", "%TAG ", "a:\n", ": ", "{? ", "\t",  "\n",  "--- ", "...\n"}) {
    CAPTURE(piece);
    yaml_problem(repeated(piece, kMany));
  }
  std::string laughs = "a0: &a0 [x]\n";
  for (int i = 1; i < 60; ++i) laughs += str_cat("a", i, ": &a", i, " [*a", i - 1, ",*a", i - 1, "]\n");
  CHECK(yaml_problem(laughs).find("found a list") != std::string::npos);
  CHECK(yaml_problem(repeated("[", kMany)) ==
        "line 1, column 1: found a list, expected name: value; lists are for sweeps, name=a,b");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("a run folder tells its settings and results") {
  const TemporaryFolder base;
  const fs::path path = base.path() / "outputs" / "2026-11-25" / "17-46-12_2";
  make_run(path,
           R"({"status": "time limit", "epochs_done": 3, "epochs": 10, "best_val_acc": 0.75, "best_epoch": 2,
    "best_val_loss": 0.5, "seconds": 12.5, "images_per_s": 1000.5, "peak_mb": 80, "started": "2026-11-25 17:46:13",
    "ended": "2026-11-25 17:47:00", "git": "abc", "machine": "one", "parameters": 12345, "error": "none", "more": []})");
  write(path / "overrides.yaml", std::string("- \"training.lr=0.001\"\n"));
  const RunInfo run = read_run(path);
  CHECK(run.path == path);
  CHECK(run.status == "time limit");
  CHECK(run.problem == "");
  CHECK(run.date == "2026-11-25 17:46:13");
  CHECK(run.epochs_done == 3);
  CHECK(run.epochs == 10);
  CHECK(run.best_val_acc == 0.75);
  CHECK(run.best_epoch == 2);
  CHECK(run.best_val_loss == 0.5);
  CHECK(run.seconds == 12.5);
  CHECK(run.images_per_s == 1000.5);
  CHECK(run.peak_mb == 80.0);
  CHECK(run.parameters == 12345);
  CHECK(run.ended == "2026-11-25 17:47:00");
  CHECK(run.git == "abc");
  CHECK(run.machine == "one");
  CHECK(run.error == "none");
  CHECK(run.has_model);
  CHECK(run.model() == path / "best");
  CHECK(run.overrides == Texts{"training.lr=0.001"});
  REQUIRE(run.setting("data.train") != nullptr);
  CHECK(*run.setting("data.train") == "photos \"1\"");
  CHECK(run.setting("data.none") == nullptr);
}

TEST_CASE("a run that says it is running is, or was stopped") {
  const TemporaryFolder base;
  const fs::path path = base.path() / "2026-11-25" / "17-46-12";
  write(path / "config.yaml", std::string(kConfig));
  write(path / "result.json", std::string(R"({"status": "running", "epochs_done": 1})"));
  CHECK(read_run(path).status == "stopped");
  const RunLock lock(path);
  CHECK(read_run(path).status == "running");
}

TEST_CASE("a run without a result, or with a broken one, tells what is left") {
  const TemporaryFolder base;
  const fs::path path = base.path() / "2026-11-25" / "17-46-12";
  write(path / "config.yaml", std::string(kConfig));
  RunInfo run = read_run(path);
  CHECK(run.status == "waiting");
  CHECK(run.problem == "");
  CHECK(run.date == "2026-11-25 17:46:12");
  CHECK(run.epochs == 10);
  CHECK_FALSE(run.epochs_done);
  CHECK_FALSE(run.best_val_acc);
  CHECK_FALSE(run.has_model);

  // The history says more; the last line is not complete, another has no number.
  write(path / "training_history.csv", std::string("epoch,train_loss,val_loss,val_acc,seconds\n1,2,0.9,0.5,1."
                                                   "5\n2,1,0.8,0.75,1.5\n3,1,0.7,nan,1\n4,1\n5,1,0"));
  for (const char* broken : {"", "{", "[1]", "\"text\"", "\xff"}) {
    CAPTURE(broken);
    if (*broken) write(path / "result.json", std::string(broken));
    run = read_run(path);
    CHECK(run.status == "unknown");
    CHECK((run.problem.find("result.json") != std::string::npos) == (*broken != 0));
    CHECK(run.epochs_done == 3);
    CHECK(run.best_val_acc == 0.75);
    CHECK(run.best_val_loss == 0.8);
    CHECK(run.best_epoch == 2);
    CHECK(run.seconds == 4.0);
    CHECK(run.settings.size() == 6);
  }
  // Members that are not what they should be are as if they were not there.
  write(path / "result.json",
        std::string(R"({"status": 3, "best_val_acc": "high", "epochs_done": 1.5, "seconds": null})"));
  run = read_run(path);
  CHECK(run.status == "unknown");
  CHECK_FALSE(run.best_val_acc);
  CHECK_FALSE(run.epochs_done);

  // Settings that cannot be read do not hide the result.
  write(path / "result.json", finished(0.5));
  write(path / "config.yaml", std::string("a: [1]"));
  write(path / "overrides.yaml", std::string("a: 1"));
  run = read_run(path);
  CHECK(run.status == "unreadable");
  CHECK(run.problem.find("overrides.yaml: line 1") != std::string::npos);
  CHECK(run.problem.find("config.yaml: line 1, column 4: found a list") != std::string::npos);
  CHECK(run.best_val_acc == 0.5);
  fs::remove(path / "config.yaml");
  fs::create_directory(path / "config.yaml");
  CHECK(read_run(path).problem.find("expected a file, found a directory") != std::string::npos);
  fs::remove(path / "config.yaml");
  REQUIRE(::mkfifo((path / "config.yaml").c_str(), 0600) == 0);
  CHECK(read_run(path).problem.find("found a device, pipe or socket") != std::string::npos);
  CHECK(read_run(base.path() / "nowhere").status == "unreadable");
}

TEST_CASE("runs are found at all levels, oldest first, and nothing else is") {
  const TemporaryFolder base;
  const fs::path root = base.path() / "outputs";
  make_run(root / "2026-11-25" / "17-46-12_10", finished(0.1));
  make_run(root / "2026-11-25" / "17-46-12_2", finished(0.2));
  make_run(root / "2026-11-25" / "17-46-12", finished(0.3));
  make_run(root / "2026-11-24" / "23-00-00" / "10", finished(0.4));
  make_run(root / "2026-11-24" / "23-00-00" / "9", finished(0.5));
  make_run(root / "2026-11-23" / "09-00-00", finished(0.6, "2026-11-26 08:00:00"));  // its own word counts
  make_run(root / ".hidden", finished(0.7));
  make_run(root / "a" / "b" / "c" / "too_deep", finished(0.8));
  write(root / "2026-11-25" / "18-00-00" / "train.log", std::string("no run\n"));
  write(root / "file", std::string("no folder"));
  const std::vector<RunInfo> runs = runs_below(root);
  Texts found;
  for (const RunInfo& run : runs) found.push_back(run.path.lexically_relative(root).string());
  CHECK(found == Texts{"2026-11-24/23-00-00/9", "2026-11-24/23-00-00/10", "2026-11-25/17-46-12",
                       "2026-11-25/17-46-12_2", "2026-11-25/17-46-12_10", "2026-11-23/09-00-00"});
  for (std::size_t i = 0; i < runs.size(); ++i) CHECK(runs[i].number == static_cast<int>(i) + 1);
  Texts labels;
  for (const RunInfo& run : runs) labels.push_back(run_label(run));
  CHECK(labels == Texts{"2026-11-24/23-00-00/9", "2026-11-24/23-00-00/10", "2026-11-25 17:46:12",
                        "2026-11-25 17:46:12_2", "2026-11-25 17:46:12_10", "2026-11-23 09:00:00"});
  // A run, a day, several roots, of which one is within another and one is not there.
  CHECK(runs_below(root / "2026-11-25" / "17-46-12").size() == 1);
  CHECK(runs_below(root / "2026-11-25").size() == 3);
  CHECK(find_runs(std::vector<fs::path>{root, root / "2026-11-25", base.path() / "nowhere"}).size() == 6);
  CHECK(runs_below(root / "file").empty());
  CHECK(run_label(runs_below(root / "a" / "b").at(0)) == "too_deep");
}

TEST_CASE("links in a circle end, and what cannot be opened is left out") {
  const TemporaryFolder base;
  const fs::path root = base.path() / "outputs", day = root / "2026-11-25";
  make_run(day / "17-46-12", finished(0.1));
  for (int i = 0; i < 40; ++i) fs::create_directory_symlink(root, day / str_cat("loop", i));
  fs::create_directory_symlink(day, day / "17-46-12" / "up");
  fs::create_directory_symlink("self", day / "self");
  fs::create_directory_symlink(base.path() / "nowhere", day / "dangling");
  CHECK(runs_below(root).size() == 1);
  fs::create_directory_symlink(root, base.path() / "link");
  CHECK(runs_below(base.path() / "link").size() == 1);
  if (::getuid() != 0) {
    fs::create_directory(root / "locked");
    fs::permissions(root / "locked", fs::perms::none);
    CHECK(runs_below(root).size() == 1);
    fs::permissions(root / "locked", fs::perms::owner_all);
  }
}

TEST_CASE("a run is told by what its command line said, in short names") {
  RunInfo a, b, c;
  a.overrides = {"data.train=x", "training.lr=0.001", "model.dim=64", "output.dir=o1", "log.images=0"};
  b.overrides = {"++training.lr=0.1", "~model.dropout", "+notes.why=a test"};
  CHECK(command_lines(std::vector{a, b, c}) == Texts{"lr=0.001 dim=64", "lr=0.1 ~dropout why=a test", ""});
  c.overrides = {"data.dim=1"};
  CHECK(command_lines(std::vector{a, c}) == Texts{"lr=0.001 model.dim=64", "data.dim=1"});
  CHECK(count_text(9999) == "9999");
  CHECK(count_text(12345) == "12 k");
  CHECK(count_text(5717416) == "5.7 M");
  CHECK(count_text(304326632) == "304 M");
}

TEST_CASE("runs are grouped by their data, and the best is one of those on the same") {
  std::vector<RunInfo> runs(4);
  for (int i = 0; i < 4; ++i) runs[static_cast<std::size_t>(i)].number = i + 1;
  runs[0].settings = {{"data.train", "photos"}, {"data.val", ""}, {"data.val_fraction", "0.2"}};
  runs[1].settings = {{"data.train", "photos"}, {"data.val", "others/"}};
  runs[2].settings = {{"data.train", "./photos/"}, {"data.val", ""}, {"data.val_fraction", "0.2"}};
  CHECK(data_of(runs[0]) == "photos, 0.2 of it for validation");
  CHECK(data_of(runs[1]) == "photos, validation others");
  CHECK(data_of(runs[3]) == "not known");
  const std::vector<DataGroup> groups = by_data(runs);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].data == "photos, validation others");
  CHECK(groups[1].runs.size() == 2);
  CHECK(groups[1].runs[1].number == 3);
  CHECK(groups[2].data == "not known");
  CHECK(by_data({}).empty());
}

TEST_CASE("the table has a line for each run below its data, cut to the width") {
  const TemporaryFolder base;
  make_run(base.path() / "2026-11-25" / "17-46-12", finished(0.9375));
  write(base.path() / "2026-11-25" / "17-46-12" / "overrides.yaml", std::string("- \"training.lr=0.001\"\n"));
  make_run(base.path() / "2026-11-25" / "17-46-13" / "0", "", config_with("lr: 0.001", "lr: 0.01"));
  make_run(base.path() / "2026-11-25" / "17-46-14", "", "a: [");
  const std::vector<RunInfo> runs = runs_below(base.path());
  const std::string table = run_table(runs), problem = runs[2].problem;
  CHECK(table ==
        "#  run                    status      epochs  val acc  duration  parameters  command line\n"
        "data: photos \"1\"\n"
        "1  2026-11-25 17:46:12    finished     10/10   0.9375      0:13        1000  lr=0.001\n"
        "2  2026-11-25/17-46-13/0  waiting       -/10\n"
        "data: not known\n"
        "3  2026-11-25 17:46:14    unreadable                                         " +
            problem + "\n");
  CHECK(run_table(runs, 30) ==
        "#  run                    sta…\n"
        "data: photos \"1\"\n"
        "1  2026-11-25 17:46:12    fin…\n"
        "2  2026-11-25/17-46-13/0  wai…\n"
        "data: not known\n"
        "3  2026-11-25 17:46:14    unr…\n");
  CHECK(run_table({}) == "#  run  status  epochs  val acc  duration  parameters  command line\n");
}

TEST_CASE("a table counts characters, and shows nothing that steers a terminal") {
  TextTable table({"name", "n"}, {1});
  table.row({"größe", "1"});
  table.row({"a\x1b[31mb\n", "22"});
  CHECK(table.str() == "name       n\ngröße      1\na?[31mb?  22\n");
  CHECK(table.str(4) == "name"[0] + std::string("am…\ngrö…\na?[…\n"));
  table.row({std::string(81, 'x'), "3"});
  const std::string gap(75, ' ');
  CHECK(table.str() == "name " + gap +
                           "   n\n"
                           "größe" +
                           gap + "   1\na?[31mb?" + std::string(72, ' ') + "  22\n" + std::string(81, 'x') +
                           "   3\n");
  CHECK(printable("\xc2\x9b\xc2\xa0\x7f") == "?\xc2\xa0?");
  CHECK(printable("a\xff"
                  "b\xc3") == "a?b?");
  CHECK(message_of<Error>([&] { table.row({"x"}); }) == "table: a row of 1 cells, expected 2");
}

TEST_CASE("the best and the latest run have a model") {
  const TemporaryFolder base;
  const fs::path day = base.path() / "2026-11-25";
  make_run(day / "01-00-00", finished(0.5));
  make_run(day / "02-00-00", finished(0.75));
  make_run(day / "03-00-00", finished(0.75));
  make_run(day / "04-00-00", "");
  fs::remove_all(make_run(day / "05-00-00", finished(1.0)) / "best");
  const std::vector<RunInfo> runs = runs_below(base.path());
  REQUIRE(best_run(runs) != nullptr);
  CHECK(best_run(runs)->number == 3);
  REQUIRE(latest_run(runs) != nullptr);
  CHECK(latest_run(runs)->number == 4);
  CHECK(best_run(std::span(runs).last(2)) == nullptr);
  CHECK(latest_run(std::span(runs).last(1)) == nullptr);
}

TEST_CASE("two runs differ in settings and results") {
  const TemporaryFolder base;
  const fs::path a = make_run(base.path() / "a", finished(0.5)),
                 b = make_run(base.path() / "b", finished(0.75),
                              config_with("lr: 0.001", "lr: 5e-4\n  new: x"));
  const RunDiff diff = diff_runs(read_run(a), read_run(b));
  const std::string text = diff.text();
  CHECK(text.starts_with("A: " + a.string() + "\nB: " + b.string() +
                         "\n\nsettings      A      B\n"
                         "training.lr   0.001  5e-4\ntraining.new  -      x\n\nresults"));
  CHECK(text.find("best_val_acc") != std::string::npos);
  CHECK(text.find("best_val_loss") == std::string::npos);
  const io::Json json = diff.json();
  CHECK(io::json_text(json.at("settings")) ==
        R"({"training.lr":["0.001","5e-4"],"training.new":[null,"x"]})");
  CHECK(io::json_text(json.at("results").at("best_val_acc")) == "[0.5,0.75]");
  CHECK(json.at("a") == a.string());

  const std::string none = diff_runs(read_run(a), read_run(a)).text();
  CHECK(none.ends_with("\n\nsettings: no difference\n\nresults: no difference\n"));
}

TEST_CASE("a run is JSON whatever is in its folder") {
  const TemporaryFolder base;
  const fs::path path = base.path() / "bad\xff name";
  make_run(path, R"({"status": "a\u0007b"})");
  const io::Json json = run_json(read_run(path));
  CHECK(io::parse_json(io::json_text(json), "run") == json);
  CHECK(json.at("status") ==
        "a\x07"
        "b");
  CHECK(json.at("path").get<std::string>().ends_with("bad\\xFF name"));
  CHECK(json.at("best_val_acc").is_null());
  CHECK(json.at("settings").at("training.lr") == "0.001");
}

TEST_CASE("the leaderboard sorts the jobs of a sweep by accuracy") {
  const TemporaryFolder base;
  const fs::path sweep = base.path() / "2026-11-25" / "17-46-12";
  std::vector<Job> jobs;
  const char* const names[] = {"a", "b,c", "say \"x\"", "d", "e"};
  for (int i = 0; i < 5; ++i) jobs.push_back({i, {str_cat("data.train=", names[i]), "training.epochs=10"}});
  jobs[1].overrides.push_back("+extra=1");
  make_run(sweep / "0", finished(0.5));
  make_run(sweep / "1", finished(0.75));
  make_run(sweep / "2", R"({"status": "failed", "error": "x", "epochs_done": 0})");
  make_run(sweep / "4", finished(0.75));
  const Leaderboard board = leaderboard(sweep, jobs);
  CHECK(board.names == Texts{"data.train", "extra"});
  CHECK(board.csv() ==
        "job,status,val_acc,val_loss,best_epoch,epochs_done,seconds,data.train,extra\n"
        "1,finished,0.75,0.25,9,10,12.5,\"b,c\",1\n"
        "4,finished,0.75,0.25,9,10,12.5,e,\n"
        "0,finished,0.5,0.25,9,10,12.5,a,\n"
        "2,failed,,,,0,,\"say \"\"x\"\"\",\n"
        "3,waiting,,,,,,d,\n");
  CHECK(board.table() ==
        "job  status    val acc  val loss  best epoch  epochs  seconds  data.train  extra\n"
        "  1  finished   0.7500    0.2500           9   10/10     12.5  b,c         1\n"
        "  4  finished   0.7500    0.2500           9   10/10     12.5  e\n"
        "  0  finished   0.5000    0.2500           9   10/10     12.5  a\n"
        "  2  failed                                     0/10           say \"x\"\n"
        "  3  waiting                                                   d\n");

  // The same from what the folders say, for those that are there.
  for (const int i : {0, 1, 2, 4}) {
    std::string text;
    for (const std::string& o : jobs[static_cast<std::size_t>(i)].overrides)
      text += str_cat("- ", io::json_text(o), "\n");  // JSON's strings are YAML's
    write(sweep / str_cat(i) / "overrides.yaml", text);
  }
  write(sweep / "007" / "config.yaml", std::string(kConfig));  // not a job's name
  const std::string csv = board.csv();
  CHECK(leaderboard(sweep).csv() == csv.substr(0, csv.find("3,waiting")));
  CHECK(leaderboard(base.path() / "nowhere").csv() ==
        "job,status,val_acc,val_loss,best_epoch,epochs_done,seconds\n");
}
