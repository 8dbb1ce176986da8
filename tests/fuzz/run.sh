#!/usr/bin/env bash
# Runs fuzz targets for so many seconds each:   bash tests/fuzz/run.sh FOLDER SECONDS [TARGET…]
#
# FOLDER holds minivit_fuzz_TARGET, of a build with clang and -DMINIVIT_FUZZ=ON: its tests/. Without TARGET all that are there.
# Beside TARGET_fuzz.cpp lie corpus/TARGET/ (files to begin with), TARGET.dict (words) and TARGET.options: a flag of libFuzzer a
# line, or seeds=FOLDER for further files to begin with, seen from tests/. Ends with 1 if an input makes a reader crash, hang, leak,
# take too much memory or accept what it should not, and prints that input.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=$(realpath "$1") seconds=$2
shift 2
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in "$here"/*_fuzz.cpp; do
    target=$(basename "$source" _fuzz.cpp)
    if [[ -x $programs/minivit_fuzz_$target ]]; then targets+=("$target"); fi
  done
fi
((${#targets[@]})) || { echo "run.sh: no fuzz targets in $programs" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fuzz TARGET: 1 if it finds anything.
fuzz() {
  local target=$1 flags=() line file result=0 start=$SECONDS
  mkdir -p "$scratch/$target/corpus"
  cd "$scratch/$target"
  [[ -f $here/$target.dict ]] && flags+=("-dict=$here/$target.dict")
  flags+=(corpus)
  [[ -d $here/corpus/$target ]] && flags+=("$here/corpus/$target")
  if [[ -f $here/$target.options ]]; then
    while IFS= read -r line; do
      case $line in
        '#'* | '') ;;
        seeds=*) flags+=("$here/../${line#seeds=}") ;;
        *) flags+=("$line") ;;
      esac
    done <"$here/$target.options"
  fi
  "$programs/minivit_fuzz_$target" -seed=1 -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    "${flags[@]}" &>log || result=1
  printf 'fuzz %-14s %s\n' "$target" "$(grep -a 'stat::number_of_executed_units' log | tail -n 1) in $((SECONDS - start)) s"
  if ((result)); then
    grep -avE '^#[0-9]|^Loaded|^INFO' log | tail -n 60
    for file in crash-* leak-* oom-* timeout-*; do
      [[ -f $file ]] && echo "$target: $file, in base64: $(base64 -w 0 "$file")"
    done
  fi
  return $result
}

failed=0
for target in "${targets[@]}"; do
  (fuzz "$target") || failed=1
done
exit $failed
