#!/usr/bin/env bash
# The include graph of the library:   bash tests/include_graph.sh [ROOT]
#
# Fails, naming the lines, if a header includes a floor above its own (docs/architecture.md draws them), or the umbrella, or uses
# the namespace before it is defined.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}/include/minivit"

floors=(core tensor kernels autograd ops nn model data train insight io)
failures=0

fail() {
  printf 'include graph: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# floor_of NAME: sets floor to its number.
floor_of() {
  local i
  for i in "${!floors[@]}"; do
    [[ ${floors[i]} != "$1" ]] || { floor=$i; return; }
  done
  fail "$1/ is no floor of the house: ${floors[*]}"
  floor=0
}

checked=0
while IFS=: read -r file line include; do
  from=${file%%/*}
  to=${include#*minivit/}
  [[ $to == */* ]] || { fail "$file:$line includes the umbrella $to"; continue; }
  to=${to%%/*}
  floor_of "$from"; mine=$floor
  floor_of "$to"
  ((floor <= mine)) || fail "$file:$line: $from/ includes $to/, which stands on it"
  # Images and data sets are of use without gradients and models.
  [[ $from != data || $to =~ ^(core|tensor|data)$ ]] || fail "$file:$line: data/ includes $to/, it knows core/ and tensor/ alone"
  checked=$((checked + 1))
done < <(grep -nE '^ *# *include "minivit/' */*.hpp | sed -E 's/^([^:]*):([0-9]+):.*"minivit\/([^"]*)".*/\1:\2:minivit\/\3/')

# Where core/config.hpp is missing, MINIVIT_ABI is a namespace of that name, and no compiler says a word.
while IFS= read -r file; do fail "$file: uses MINIVIT_ABI before it includes anything of minivit"; done < <(
  awk 'FNR == 1 { known = said = 0 } /^#include "minivit\// { known = 1 }
       /MINIVIT_ABI/ && !known && !said && !/define/ && FILENAME != "core/config.hpp" { print FILENAME; said = 1 }' */*.hpp)

((checked > 100)) || fail "only $checked includes were found; is this the library?"
((failures == 0)) || exit 1
echo "$checked includes, none upwards"
