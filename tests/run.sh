#!/usr/bin/env bash
# All checks, on a bare Debian 12 too:   bash tests/run.sh
#
# Formatting; build and tests with g++; build and tests with clang and its sanitizers; a minute of fuzzing each reader of files.
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
  printf '%-26s %-6s %4d s\n' "$name" "$result" $((SECONDS - start))
  if [[ $result == FAILED ]]; then
    failed+=("$name")
    grep -Ev '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test .* Passed )' "$log" | tail -n 300 || true
    return 1
  fi
  grep -E 'tests passed' "$log" || true
}

# build PRESET TARGETS [SETTING…]: configures and builds.
build() {
  local preset=$1 targets=$2
  shift 2
  step "$preset: configure" cmake --preset "$preset" "$@" && build_target "$preset" "$targets"
}

# build_target PRESET TARGET: of what is configured.
build_target() { step "$1: build $2" cmake --build --preset "$1" --target "$2" --parallel "$jobs"; }

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
parts=(-DMINIVIT_WERROR=ON -DMINIVIT_BUILD_TESTS=ON)
if build gcc all "${parts[@]}" -DMINIVIT_BUILD_EXAMPLES=ON -DMINIVIT_TEST_PORTABLE=ON -DMINIVIT_TEST_HEADERS=OFF \
  -DMINIVIT_BUILD_BENCHMARKS=OFF; then
  run_tests gcc || true
fi
# The sanitizers of clang see more than those of g++. It looks at each header alone and at all programs, too.
if build asan minivit_fuzz "${parts[@]}" -DMINIVIT_TEST_HEADERS=ON -DMINIVIT_FUZZ=ON; then
  # Takes one core for a minute for each target, beside the rest.
  bash tests/fuzz/run.sh build/asan/tests 60 &>"$fuzz_log" </dev/null &
  fuzz=$!
  if build_target asan minivit_tests; then run_tests asan || true; fi
  step "fuzz, 60 s each" fuzzed || true
fi

echo "total $SECONDS s"
if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
