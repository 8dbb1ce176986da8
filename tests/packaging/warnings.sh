#!/usr/bin/env bash
# Warnings, each an error:   bash warnings.sh headers|alone|programs COMPILER PROJECT [FLAG…]
#
# headers: all that users ask for who include the headers with -I.
# alone: each header without any other before it, two at a time; those that a test includes first are seen there.
# programs: the examples and benchmarks, which are looked at without being built; with clang also each file of the program minivit by
# itself, since it is compiled many together, where one may use what another includes.
# FLAGs name what the library itself needs, its dependencies as -isystem.
set -euo pipefail
what=$1
compiler=$2
project=$3
shift 3
flags=(-std=c++20 -fsyntax-only -Wall -Wextra -Werror -I"$project/include")
for flag in "$@"; do  # the compiler's own folder named again would hide the C headers behind those of C++
  [[ $flag == -isystem/usr/include ]] || flags+=("$flag")
done

if [[ $what == programs ]]; then
  files=("$project"/examples/*.cpp "$project"/benchmarks/*.cpp)
  ((${#files[@]} > 10)) || { echo "only these files were found: ${files[*]}" >&2; exit 1; }
  for file in "${files[@]}"; do
    separate=()  # benchmarks look inside, examples need declarations only
    [[ $file == */benchmarks/* ]] || separate=(-DMINIVIT_SEPARATE_COMPILATION)
    "$compiler" "${flags[@]}" ${separate[@]+"${separate[@]}"} "$file"
  done
  [[ $compiler == *clang* ]] || exit 0
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  # What is not the project's own is read once.
  flags+=(-DMINIVIT_SEPARATE_COMPILATION -DMINIVIT_CONFIG_DIR='""' -I"$project/examples/minivit")
  printf '#include <%s>\n' CLI/CLI.hpp Eigen/Core nlohmann/json.hpp >"$scratch/others.hpp"
  "$compiler" "${flags[@]/-fsyntax-only/-Wno-unused}" -x c++-header "$scratch/others.hpp" -o "$scratch/others.pch"
  xargs -P 2 -I '{}' "$compiler" "${flags[@]}" -include-pch "$scratch/others.pch" '{}' < <(ls "$project"/examples/minivit/*.cpp)
  exit
fi

if [[ $what == alone ]]; then
  cd "$project/tests"
  # MINIVIT_TESTS_ALONE: the tests that are compiled one by one, a path a line; of those that are compiled together none proves it.
  first=$(xargs grep -m 1 -h '^#include' <"$MINIVIT_TESTS_ALONE" | grep -o 'minivit/[a-z0-9_/]*\.hpp' | sort -u)
  cd "$project/include"
  rest=$(find minivit -name '*.hpp' ! -name source.hpp | LC_ALL=C sort | grep -vxF "$first")
  (($(wc -l <<<"$rest") > 80)) || { echo "only these headers were found: $rest" >&2; exit 1; }
  xargs -P 2 -I '{}' "$compiler" "${flags[@]}" -include '{}' -x c++ /dev/null <<<"$rest"
  exit
fi

all=$(cd "$project/include" && find minivit -name '*.hpp' ! -name source.hpp | LC_ALL=C sort | sed 's/.*/#include <&>/')
(($(wc -l <<<"$all") > 100)) || { echo "only these headers were found: $all" >&2; exit 1; }
"$compiler" "${flags[@]}" -Wconversion -Wsign-conversion -Wshadow -Wpedantic -x c++ - <<<"$all"
