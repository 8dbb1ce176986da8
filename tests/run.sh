#!/usr/bin/env bash
# All checks, on a bare Debian 12 too:   bash tests/run.sh
#
# Formatting; then build and tests with g++, with clang, and with the sanitizers; a minute of fuzzing each reader of files.
# Prints one line for each step and, where one fails, its output. Every step is tried; ends with 1 if any failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash .ci/install g++ clang clang-format cmake curl gnuplot-nox ninja-build doctest-dev libclang-rt-14-dev libcli11-dev \
  libavif-dev libeigen3-dev libgif-dev libheif-dev libjpeg62-turbo-dev libpng-dev libprotozero-dev \
  libstb-dev libtiff-dev libwebp-dev libyaml-cpp-dev nlohmann-json3-dev python3
for tool in g++ clang++ clang-format cmake ctest ninja; do
  command -v "$tool" >/dev/null || { echo "run.sh: $tool is needed and was not found" >&2; exit 1; }
done

jobs=$(nproc)
log=$(mktemp)
fuzz_log=$(mktemp)
trap 'rm -f "$log" "$fuzz_log"' EXIT
failed=()

# step NAME COMMAND…: runs the command, quietly if it succeeds.
step() {
  local name=$1 start=$SECONDS result=ok
  shift
  "$@" &>"$log" </dev/null || result=FAILED
  printf '%-22s %-6s %4d s\n' "$name" "$result" $((SECONDS - start))
  if [[ $result == FAILED ]]; then
    failed+=("$name")
    grep -Ev '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test .* Passed )' "$log" | tail -n 300 || true
    return 1
  fi
  grep -E 'tests passed' "$log" || true
}

# build PRESET COMPILER [SETTING…]: configures and builds all.
build() {
  local preset=$1 compiler=$2
  shift 2
  step "$preset: configure" env CXX="$compiler" cmake --preset "$preset" "$@" &&
    step "$preset: build" cmake --build --preset "$preset" --parallel "$jobs"
}

# run_tests PRESET
run_tests() { step "$1: test" ctest --preset "$1" --parallel "$jobs"; }

# Names the files that clang-format would change.
format() {
  local file result=0
  while IFS= read -r -d '' file; do
    clang-format "$file" | cmp -s - "$file" || { echo "clang-format -i $file"; result=1; }
  done < <(find include tests examples benchmarks '(' -name '*.hpp' -o -name '*.cpp' ')' -print0 | sort -z)
  return $result
}

# The result of what runs in the background as process $fuzz.
fuzzed() {
  local result=0
  wait "$fuzz" || result=$?
  cat "$fuzz_log"
  return $result
}

step "formatting" format || true
# All parts, whatever an earlier use of the same build folders left out.
parts=(-DMINIVIT_WERROR=ON -DMINIVIT_BUILD_TESTS=ON -DMINIVIT_BUILD_EXAMPLES=ON)
if build gcc g++ "${parts[@]}" -DMINIVIT_TEST_PORTABLE=ON -DMINIVIT_TEST_HEADERS=OFF -DMINIVIT_BUILD_BENCHMARKS=OFF; then
  run_tests gcc || true
fi
# The sanitizers of clang see more than those of g++. The headers alone and the benchmarks are compiled here, too.
if build asan clang++ "${parts[@]}" -DMINIVIT_TEST_HEADERS=ON -DMINIVIT_FUZZ=ON -DMINIVIT_BUILD_BENCHMARKS=ON; then
  # Takes one core for a minute for each target, beside the tests.
  bash tests/fuzz/run.sh build/asan/tests 60 &>"$fuzz_log" </dev/null &
  fuzz=$!
  run_tests asan || true
  step "fuzz, 60 s each" fuzzed || true
fi

echo "total $SECONDS s"
if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
