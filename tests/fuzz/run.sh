#!/usr/bin/env bash
# Runs the fuzz target for so many seconds:   bash tests/fuzz/run.sh PROGRAM SECONDS
#
# PROGRAM is minivit_fuzz, of a build with clang and -DMINIVIT_FUZZ=ON. Ends with 1 if an input makes a
# reader crash, hang, leak, take too much memory or accept what it should not, and prints that input.
set -euo pipefail
program=$(realpath "$1") seconds=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/corpus"
cd "$folder"

# seed HEADER [DATA]: a file to begin with.
seeds=0
seed() {
  local header=$1 data=${2-}
  printf "\\x$(printf %02x $((${#header} % 256)))\\x$(printf %02x $((${#header} / 256)))\\0\\0\\0\\0\\0\\0%s%s" \
    "$header" "$data" >"corpus/$((++seeds))"
}
seed '{}'
seed '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 01234567
seed '{"w":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"b":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}' 0123456789ab
seed '{"__metadata__":{"format":"pt","k\u00e9y":"\n"},"b":{"data_offsets":[3,3],"shape":[0,4],"dtype":"U8"},"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}} ' 123
seed '{"a":[1,-2.5e-3,1e400,true,false,null,"\ud83d\ude00\\\"",{}],"b":{"c":[[[]]]},"d":9223372036854775807}'
# One step from what must be refused, or behind it.
seed '{"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,2],"data_offsets":[0,2]}}' 01
seed '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}' 0123
seed '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}' 012
seed '{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'
seed '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
cat >words <<'WORDS'
",1"
",0"
"4294967296"
"9223372036854775807"
"\"a\":"
",\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
"\"__metadata__\":{},"
"\\u0061"
"\\ud800"
WORDS

# No input is longer than 4 KiB, so 16 MiB for one piece of memory are far too many.
"$program" -seed=1 -max_total_time="$seconds" -max_len=4096 -dict=words -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=16 \
  -print_final_stats=1 corpus || {
  for file in crash-* leak-* oom-* timeout-* slow-unit-*; do
    [[ -f $file ]] && { echo "$file, in base64: $(base64 -w 0 "$file")"; }
  done
  exit 1
}
