// The grammar of sweeps, their jobs, halving.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "halving.hpp"
#include "minivit/core/check.hpp"
#include "support/message_of.hpp"
#include "sweep.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

using Texts = std::vector<std::string>;

Texts values(const std::string& text) { return parse_sweep("a=" + text).values; }

/// What the text `a=…` is refused with, without the text itself.
std::string refusal(const std::string& text) {
  const std::string message = message_of<ConfigError>([&] { parse_sweep("a=" + text); });
  const std::string start = "\"a=" + text + "\": ";
  return message.starts_with(start) ? message.substr(start.size()) : "not the expected start: " + message;
}

std::vector<Sweep> sweeps(const Texts& assignments) {
  std::vector<Sweep> out;
  for (const std::string& assignment : assignments) out.push_back(parse_sweep(assignment));
  return out;
}

std::vector<Job> random_of(const Texts& assignments, std::int64_t trials, std::uint64_t seed) {
  return minivit::cli::random_jobs(sweeps(assignments), trials, seed);
}

std::vector<Job> grid_of(const Texts& assignments) { return minivit::cli::grid(sweeps(assignments)); }

/// The value of the only setting of a job.
double number(const Job& job) {
  return std::stod(job.overrides.at(0).substr(job.overrides[0].find('=') + 1));
}

std::size_t different(const std::vector<Job>& jobs) {
  std::set<Texts> seen;
  for (const Job& job : jobs) seen.insert(job.overrides);
  return seen.size();
}

}  // namespace

TEST_CASE("a sweep is a name and values between commas") {
  const Sweep sweep = parse_sweep(" training.lr = 0.001 ,5e-4");
  CHECK(sweep.name == "training.lr");
  CHECK(sweep.text == "0.001 ,5e-4");
  CHECK(sweep.values == Texts{"0.001", "5e-4"});
  CHECK_FALSE(sweep.draw);
  CHECK(values("4") == Texts{"4"});
  CHECK(values("a=b,c") == Texts{"a=b", "c"});
  CHECK(values("choice(a, b ,c)") == Texts{"a", "b", "c"});
  CHECK(values("choice(one)") == Texts{"one"});
  CHECK(parse_sweep("+new.key=1,2").name == "+new.key");
}

TEST_CASE("quotes and brackets keep commas") {
  CHECK(values("'a,b',c") == Texts{"a,b", "c"});
  CHECK(values(R"("a,'b'",'"')") == Texts{"a,'b'", "\""});
  CHECK(values(R"('it\'s','back\\slash','\n')") == Texts{"it's", "back\\slash", "\\n"});
  CHECK(values("[1,2],[3,[4,5]]") == Texts{"[1,2]", "[3,[4,5]]"});
  CHECK(values("{x:1,y:(2,3)},f(1,2)") == Texts{"{x:1,y:(2,3)}", "f(1,2)"});
  CHECK(values("['a,]',b],c") == Texts{"['a,]',b]", "c"});
  CHECK(values("choice('x,y',[1,2])") == Texts{"x,y", "[1,2]"});
  CHECK(values("/photos/Anna's,/photos/Bert's") == Texts{"/photos/Anna's", "/photos/Bert's"});
  CHECK(values("'a'b,c") == Texts{"'a'b", "c"});
  CHECK(values("'range(1,3)'") == Texts{"range(1,3)"});
  // An empty text is meant only where nothing else can be.
  CHECK(values("") == Texts{""});
  CHECK(values("'',x") == Texts{"", "x"});
}

TEST_CASE("range has exact decimals and no end") {
  CHECK(values("range(4,7)") == Texts{"4", "5", "6"});
  CHECK(values("range(3)") == Texts{"0", "1", "2"});
  CHECK(values("range(4,10,2)") == Texts{"4", "6", "8"});
  CHECK(values("range(4,9,2)") == Texts{"4", "6", "8"});
  CHECK(values("range(0,1,0.1)") ==
        Texts{"0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"});
  CHECK(values("range(0.3,0,-0.1)") == Texts{"0.3", "0.2", "0.1"});
  CHECK(values("range(1,-1.5,-1)") == Texts{"1", "0", "-1"});
  CHECK(values("range(-0.5,0.75,.5)") == Texts{"-0.5", "0", "0.5"});
  CHECK(values("range(1e-5,3e-5,1e-5)") == Texts{"0.00001", "0.00002"});
  CHECK(values("range(1E3, +2.50e+3, 500)") == Texts{"1000", "1500", "2000"});
  CHECK(values("range(0,10000)").size() == 10000);
  CHECK(values("range(0,10000)").back() == "9999");
}

TEST_CASE("malformed sweeps are refused with a reason") {
  CHECK(message_of<ConfigError>([] { parse_sweep("training.lr"); }) ==
        "\"training.lr\": expected name=value,value,… as training.lr=0.001,0.0005");
  CHECK(message_of<ConfigError>([] { parse_sweep(" =1"); }).find("expected name=") != std::string::npos);
  CHECK(refusal("1,,2") == "value 2 is empty; write '' if an empty text is meant");
  CHECK(refusal("1,2,") == "value 3 is empty; write '' if an empty text is meant");
  CHECK(refusal(",1") == "value 1 is empty; write '' if an empty text is meant");
  CHECK(refusal("choice()") == "choice() has no values");
  CHECK(refusal("choice(a,)") == "value 2 is empty; write '' if an empty text is meant");
  CHECK(refusal("'a,b") == "the quote ' is not closed");
  CHECK(refusal(R"(1,"a\")") == "the quote \" is not closed");
  CHECK(refusal("(1,2") == "a bracket is not closed, expected )");
  CHECK(refusal("[1,(2]") == "the bracket ] closes none; write the value in quotes if it belongs to it");
  CHECK(refusal("1,2}").starts_with("the bracket } closes none"));
  CHECK(refusal("choice(a)(b)").starts_with("the bracket ) closes none"));
  CHECK(refusal("1,range(2,4)") == "range(2,4) cannot be one of several values, it has to stand alone");
  CHECK(refusal("choice(1,uniform(2,4))").starts_with("uniform(2,4) cannot be one of several values"));

  CHECK(refusal("range(1,4,0)") == "the step of range(…) is 0");
  CHECK(refusal("range(1,4,0.0)") == "the step of range(…) is 0");
  CHECK(refusal("range(4,1)") == "range(…) is empty: 1 is not reached from 4");
  CHECK(refusal("range(1,4,-1)") == "range(…) is empty: 4 is not reached from 1 in steps of -1");
  CHECK(refusal("range(2,2)") == "range(…) is empty: 2 is not reached from 2");
  CHECK(refusal("range(0)") == "range(…) is empty: 0 is not reached from 0");
  CHECK(refusal("range(1,2,3,4)").starts_with("range(…) has 4 values, expected range(start,stop)"));
  for (const char* bad :
       {"x", "1.2.3", "1e", "--1", "+-1", ".", "1e+-2", "0x10", "nan", "inf", "1 2", "1e2.5"})
    CHECK(refusal(str_cat("range(0,", bad, ")")) == str_cat("\"", bad, "\" is not a number"));
  CHECK(refusal("range(0,1e-16)").starts_with("\"1e-16\" has too many digits for range(…)"));
  CHECK(refusal("range(0,99999999999999999999)").find("too many digits") != std::string::npos);
  CHECK(refusal("range(0,1e99999999999)").find("too many digits") != std::string::npos);
  CHECK(refusal("range(0,1e17,1e-15)").find("too many digits") != std::string::npos);
  CHECK(refusal("range(0,10001)") == "range(…) has 10001 values; a sweep has at most 10000 jobs");
  CHECK(refusal("range(-1e17,1e17)").find("has 200000000000000000 values") != std::string::npos);

  CHECK(refusal("uniform(1)") == "uniform(…) has 1 values, expected the two ends");
  CHECK(refusal("uniform(2,1)") == "the ends of uniform(…) are equal or in the wrong order");
  CHECK(refusal("uniform(a,1)") == "\"a\" is not a number");
  CHECK(refusal("uniform(0,inf)") == "\"inf\" is not a number");
  CHECK(refusal("loguniform(0,1)") == "loguniform(…) begins at 0, expected more than 0");
  CHECK(refusal("randint(1,2.5)") == "\"2.5\" is not a whole number");
  CHECK(refusal("randint(2,1)") == "the ends of randint(…) are in the wrong order");
}

TEST_CASE("a grid has all combinations, the last name changes fastest") {
  const std::vector<Job> jobs =
      grid_of({"model.num_layers=4,6,8", "training.seed=1", "training.lr=0.001,0.0005"});
  REQUIRE(jobs.size() == 6);
  for (int i = 0; i < 6; ++i) {
    const char* const layers[] = {"4", "6", "8"};
    const char* const rates[] = {"0.001", "0.0005"};
    const Job& job = jobs[static_cast<std::size_t>(i)];
    CHECK(job.number == i);
    CHECK(job.overrides == Texts{str_cat("model.num_layers=", layers[i / 2]), "training.seed=1",
                                 str_cat("training.lr=", rates[i % 2])});
  }
  CHECK(job_title(jobs[0]) == "#0 : model.num_layers=4 training.seed=1 training.lr=0.001");
  CHECK(grid_of({}).size() == 1);
  CHECK(grid_of({}).at(0).overrides.empty());
  CHECK(job_title(Job{3, {}}) == "#3 :");
}

TEST_CASE("more than 10,000 jobs are refused before they are made") {
  CHECK(grid_of({"a=range(100)", "b=range(100)"}).size() == 10000);
  CHECK(message_of<ConfigError>([] {
          grid_of({"a=range(100)", "b=range(100)", "c=range(100)"});
        }) ==
        "the sweep has 1000000 jobs, at most 10000 are accepted; give fewer values, or try some of them with "
        "--sampler random --trials N");
  // 10^20 is beyond 64 bits.
  CHECK(message_of<ConfigError>([] {
          grid_of({"a=range(10000)", "b=range(10000)", "c=range(10000)", "d=range(10000)", "e=range(10000)"});
        }).starts_with("the sweep has more than 18446744073709551615 jobs, at most 10000"));
  CHECK(message_of<ConfigError>([] { random_of({"a=1,2"}, 10001, 0); }) ==
        "the sweep has 10001 jobs, at most 10000 are accepted");
  CHECK(message_of<ConfigError>([] { random_of({"a=1,2"}, 0, 0); }) == "--trials is 0, expected 1 or more");
}

TEST_CASE("a name is swept once, and drawn only by the random sampler") {
  const char* const twice =
      "training.lr appears twice in the sweep; write its values in one list, as "
      "training.lr=1,2";
  CHECK(message_of<ConfigError>([] { grid_of({"training.lr=1", "training.lr=2"}); }) == twice);
  CHECK(message_of<ConfigError>([] { grid_of({"+training.lr=1", "training.lr=2"}); }) == twice);
  CHECK(message_of<ConfigError>([] { random_of({"training.lr=1", "training.lr=2"}, 1, 0); }) == twice);
  for (const char* draw : {"uniform(0,1)", "loguniform(1e-4,1e-2)", "randint(1,3)"})
    CHECK(message_of<ConfigError>([&] {
            grid_of({"b=1,2", str_cat("a=", draw)});
          }) == str_cat("a=", draw, " needs --sampler random"));
}

TEST_CASE("random jobs are the same for the same seed, and begin the same if there are more") {
  const Texts assignments = {"lr=loguniform(1e-5,1e-1)", "layers=2,4,6", "heads=randint(1,8)"};
  const std::vector<Job> jobs = random_of(assignments, 20, 7), more = random_of(assignments, 30, 7),
                         other = random_of(assignments, 20, 8);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    CHECK(jobs[i].number == static_cast<int>(i));
    CHECK(jobs[i].overrides == more[i].overrides);
    CHECK(jobs[i].overrides != other[i].overrides);
  }
  CHECK(different(more) == 30);
}

TEST_CASE("random jobs differ as long as they can, then all come again") {
  const std::vector<Job> jobs = random_of({"a=1,2,2,3", "b=randint(0,3)"}, 24, 1);
  REQUIRE(jobs.size() == 24);
  CHECK(different({jobs.begin(), jobs.begin() + 12}) == 12);
  CHECK(different({jobs.begin() + 12, jobs.end()}) == 12);
  CHECK(different(jobs) == 12);
  CHECK(different(random_of({"a=range(100)", "b=range(100)"}, 10000, 1)) == 10000);
  // A narrow range of fractions ends, too.
  CHECK(random_of({"a=uniform(1,1.00001)"}, 20, 1).size() == 20);
  CHECK(random_of({}, 2, 1).size() == 2);
}

TEST_CASE("what is drawn is in its range and distributed as named") {
  constexpr int kTrials = 4000;
  double sum = 0, logs = 0;
  for (const Job& job : random_of({"a=uniform(-1,3)"}, kTrials, 3)) {
    CHECK(number(job) >= -1);
    CHECK(number(job) <= 3);
    sum += number(job);
  }
  // Five standard deviations of the mean: width / sqrt(12 n).
  CHECK(std::abs(sum / kTrials - 1) < 5 * 4 / std::sqrt(12.0 * kTrials));
  for (const Job& job : random_of({"a=loguniform(1e-4,1e-2)"}, kTrials, 3)) {
    CHECK(number(job) >= 1e-4);
    CHECK(number(job) <= 1e-2);
    logs += std::log10(number(job));
  }
  CHECK(std::abs(logs / kTrials + 3) < 5 * 2 / std::sqrt(12.0 * kTrials));

  int count[3] = {};
  for (const Job& job : random_of({"a=randint(-1,1)", "b=uniform(0,1)"}, kTrials, 3))
    ++count[static_cast<int>(number(job)) + 1];
  for (const int n : count) CHECK(std::abs(n - kTrials / 3.0) < 5 * std::sqrt(kTrials * 2 / 9.0));
  // The whole range of 64 bits, and one number.
  const std::string all = str_cat("a=randint(", std::numeric_limits<std::int64_t>::min(), ",",
                                  std::numeric_limits<std::int64_t>::max(), ")");
  int negative = 0;
  for (const Job& job : random_of({all}, 200, 3)) negative += number(job) < 0;
  CHECK(negative > 50);
  CHECK(negative < 150);
  CHECK(random_of({"a=randint(5,5)"}, 1, 3).at(0).overrides.at(0) == "a=5");
  // Six digits, and the ends are kept although they have more.
  CHECK(random_of({"a=uniform(0,1)"}, 1, 3).at(0).overrides.at(0).size() <=
        std::string("a=0.1234567").size());
  for (const Job& job : random_of({"a=uniform(0.12345678,0.12345679)"}, 5, 3)) {
    CHECK(number(job) >= 0.12345678);
    CHECK(number(job) <= 0.12345679);
  }
}

TEST_CASE("halving: rungs end after the fractions of the epochs") {
  using Rungs = std::vector<Rung>;
  const std::vector<double> fractions = {0.25, 0.5};
  CHECK(halving_rungs(20, fractions) == Rungs{{0, 5}, {5, 10}, {10, 20}});
  CHECK(halving_rungs(3, std::vector{0.5}) == Rungs{{0, 2}, {2, 3}});
  CHECK(halving_rungs(7, {}) == Rungs{{0, 7}});
  const auto message = [](std::int64_t epochs, std::vector<double> f) {
    return message_of<ConfigError>([&] { halving_rungs(epochs, f); });
  };
  CHECK(message(10, {0.5, 0.25}) ==
        "halving: the fraction 0.25 follows 0.5, expected rising numbers between 0 and 1, as 0.25,0.5");
  CHECK(message(10, {1.0}).starts_with("halving: the fraction 1, expected rising numbers"));
  CHECK(message(10, {0.0}).starts_with("halving: the fraction 0, expected"));
  CHECK(message(10, {std::nan("")}).starts_with("halving: the fraction nan, expected"));
  CHECK(message(2, {0.1}).starts_with(
      "halving: 0.1 of 2 epochs is epoch 0, expected one after 0 and before 2"));
  CHECK(message(4, {0.25, 0.3}).starts_with("halving: 0.3 of 4 epochs is epoch 1, expected one after 1"));
  CHECK(message(4, {0.9}).starts_with("halving: 0.9 of 4 epochs is epoch 4"));
  CHECK(message(0, {}) == "halving: there are 0 epochs, expected 1 or more");
}

TEST_CASE("halving: the better half of those that did not fail goes on") {
  using Results = std::vector<RungResult>;
  const auto left = [](const Results& results) { return survivors(results); };
  CHECK(left({{0, 0.1}, {1, 0.9}, {2, 0.5}, {3, 0.7}}) == std::vector<int>{1, 3});
  CHECK(left({{0, 0.1}, {1, 0.9}, {2, 0.5}}) == std::vector<int>{1, 2});
  CHECK(left({{5, 0.5}, {3, 0.5}, {4, 0.5}, {1, 0.2}}) == std::vector<int>{3, 4});
  CHECK(left({{0, std::nullopt}, {1, 0.2}, {2, std::nan("")}, {3, 0.1}}) == std::vector<int>{1});
  CHECK(left({{0, 0.0}}) == std::vector<int>{0});
  CHECK(left({{0, std::nullopt}}).empty());
  CHECK(left({}).empty());
}
