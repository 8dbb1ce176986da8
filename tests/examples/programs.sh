#!/usr/bin/env bash
# The programs as their users run them:   bash programs.sh BINARIES SCRATCH TEST…
#
# BINARIES is the build folder, with minivit and examples/ in it, SCRATCH a folder for this script alone: it is emptied. Each TEST
# is a file of programs/, named without .sh, which holds a function test_NAME; all of them if none is given. Says what failed,
# with what the program said, and ends with 1 if anything did.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(cd "$1" && pwd)
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
shift 2
data=$here/../../examples/data
failures=0

# shellcheck source=support.sh
source "$here/support.sh"
for file in "$here"/programs/*.sh; do source "$file"; done

if [[ ! -x $bin/minivit ]]; then
  skip "$bin/minivit is not built"
  exit 77  # what ctest takes for skipped
fi
unmount
rm -rf "${scratch:?}"/*
tests=("$@")
if ((${#tests[@]} == 0)); then
  for file in "$here"/programs/*.sh; do tests+=("$(basename "$file" .sh)"); done
fi
for name in "${tests[@]}"; do
  before=$failures
  "test_$name"
  if ((failures == before)); then echo "passed: $name"; else echo "failed: $name" >&2; fi
done
((failures == 0)) || exit 1
