// The table of a sweep: the jobs by their accuracy.
#include "leaderboard.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "csv.hpp"
#include "minivit/core/check.hpp"
#include "program.hpp"
#include "run_table.hpp"
#include "text_table.hpp"

namespace minivit::cli {

std::string Leaderboard::csv() const {
  std::string out = "job,status,val_acc,val_loss,best_epoch,epochs_done,seconds";
  for (const std::string& name : names) out += str_cat(',', csv_field(name));
  out += '\n';
  const auto number = [](const auto& value) { return value ? str_cat(*value) : std::string(); };
  for (const auto& [job, run, values] : rows) {
    out += str_cat(job, ',', csv_field(run.status), ',', number(run.best_val_acc), ',',
                   number(run.best_val_loss), ',', number(run.best_epoch), ',', number(run.epochs_done), ',',
                   number(run.seconds));
    for (const std::string& value : values) out += str_cat(',', csv_field(value));
    out += '\n';
  }
  return out;
}

std::string Leaderboard::table(std::size_t width) const {
  std::vector<std::string> header = {"job",        "status", "val acc", "val loss",
                                     "best epoch", "epochs", "seconds"};
  header.insert(header.end(), names.begin(), names.end());
  TextTable table(std::move(header), {0, 2, 3, 4, 5, 6});
  for (const auto& [job, run, values] : rows) {
    std::vector<std::string> cells = {str_cat(job),
                                      run.status,
                                      text_of(run.best_val_acc),
                                      text_of(run.best_val_loss),
                                      run.best_epoch ? str_cat(*run.best_epoch) : "",
                                      epochs_text(run),
                                      text_of(run.seconds, "%.1f")};
    cells.insert(cells.end(), values.begin(), values.end());
    table.row(std::move(cells));
  }
  return table.str(width);
}

namespace {

/// Mean and deviation of a sample: "0.9123 ± 0.0045".
std::string spread_text(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return format("%.4f ± %.4f", mean, std::sqrt(squares / static_cast<double>(values.size() - 1)));
}

}  // namespace

std::vector<std::string> Leaderboard::spread() const {
  struct Group {
    std::string title;
    std::vector<double> val, test;
  };
  std::vector<Group> groups;
  for (const Row& row : rows) {
    std::string title;
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] != "training.seed" && names[i] != "training.fold")
        title += str_cat(title.empty() ? "" : " ", names[i], '=', row.values[i]);
    auto group = std::ranges::find(groups, title, &Group::title);
    if (group == groups.end()) group = groups.insert(groups.end(), Group{title, {}, {}});
    if (row.run.best_val_acc) group->val.push_back(*row.run.best_val_acc);
    if (row.run.test_acc) group->test.push_back(*row.run.test_acc);
  }
  std::vector<std::string> lines;
  for (const Group& group : groups) {
    if (group.val.size() < 2) continue;
    std::string line = str_cat(group.title.empty() ? "" : group.title + ": ", "validation accuracy ",
                               spread_text(group.val), " in ", group.val.size(), " trainings");
    if (group.test.size() > 1) line += str_cat(", test accuracy ", spread_text(group.test));
    lines.push_back(std::move(line));
  }
  return lines;
}

Leaderboard leaderboard(const std::filesystem::path& sweep, std::span<const Job> jobs) {
  Leaderboard board;
  std::vector<std::map<std::string, std::string>> settings;  // of each job
  std::map<std::string, std::set<std::string>> values;       // of all jobs together
  std::map<std::string, std::size_t> set_by;                 // how many jobs
  for (const Job& job : jobs) {
    std::map<std::string, std::string> own;
    for (const std::string& text : job.overrides) {
      const std::size_t at = text.find('=');
      const std::string name(plain_name(std::string_view(text).substr(0, at)));
      if (!own.contains(name) && !values.contains(name)) board.names.push_back(name);
      own[name] = at == std::string::npos ? std::string() : text.substr(at + 1);  // the last one counts
    }
    for (const auto& [name, value] : own) values[name].insert(value), ++set_by[name];
    settings.push_back(std::move(own));
  }
  std::erase_if(board.names, [&](const std::string& name) {
    return values[name].size() == 1 && set_by[name] == jobs.size();
  });
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::filesystem::path folder = sweep / str_cat(jobs[i].number);
    Leaderboard::Row row{jobs[i].number, {}, {}};
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) {
      row.run = read_run(folder);
    } else {
      row.run.path = folder;
      row.run.status = "waiting";
    }
    for (const std::string& name : board.names) row.values.push_back(settings[i][name]);
    board.rows.push_back(std::move(row));
  }
  std::sort(board.rows.begin(), board.rows.end(), [](const auto& a, const auto& b) {
    const auto &x = a.run.best_val_acc, &y = b.run.best_val_acc;
    return x != y ? x > y : a.job < b.job;  // nothing is less than any number
  });
  return board;
}

Leaderboard leaderboard(const std::filesystem::path& sweep) {
  std::vector<Job> jobs;
  std::error_code error;
  std::filesystem::directory_iterator entry(sweep, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto number = to_number<int>(name);
    if (number && *number >= 0 && name == str_cat(*number))
      jobs.push_back({*number, read_run(entry->path()).overrides});
  }
  std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.number < b.number; });
  return leaderboard(sweep, jobs);
}

}  // namespace minivit::cli
