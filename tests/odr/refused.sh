#!/usr/bin/env bash
# What the headers refuse to be compiled with, and which builds have names of their own:   bash refused.sh COMPILER INCLUDE
set -euo pipefail
compiler=$1
include=$2
failures=0

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$1" >&2
}

# refused TEXT FLAG…: compiling with these flags fails, and says this.
refused() {
  local text=$1 said
  shift
  if said=$("$compiler" "$@" -fsyntax-only -I"$include" -x c++ - <<<'#include <minivit/core/config.hpp>' 2>&1); then
    fail "$*: compiles, expected: $text"
  elif ! grep -qF -- "$text" <<<"$said"; then
    fail "$*: does not say \"$text\" but: $said"
  fi
}

# abi FLAG…: the name of the ABI namespace with these flags.
abi() {
  "$compiler" -std=c++20 "$@" -E -P -I"$include" -x c++ - <<<$'#include <minivit/core/config.hpp>\nname: MINIVIT_ABI' |
    sed -n 's/^name: //p'
}

# apart FLAGS FLAGS: two builds that must not share an inline function.
apart() {
  local a b
  # shellcheck disable=SC2086  # several flags in one word
  a=$(abi $1) b=$(abi $2)
  [[ -n $a && -n $b && $a != "$b" ]] || fail "the ABI namespace with \"$1\" is \"$a\", with \"$2\" \"$b\""
}

refused 'minivit gives wrong results under -ffast-math' -std=c++20 -O2 -ffast-math
refused 'minivit gives wrong results under -ffast-math' -std=c++20 -Ofast
refused 'minivit needs C++20' -std=c++17

if [[ $("$compiler" -dumpmachine) == x86_64* ]]; then
  sse2='-march=x86-64' avx='-march=x86-64 -mavx' avx2='-march=x86-64 -mavx2'
  apart "$sse2" "$avx"
  apart "$avx" "$avx2 -mfma"
  apart "$sse2" "-march=x86-64 -mavx512f"
  apart "$avx2 -mfma" "$avx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl"
fi
apart '' -DMINIVIT_WITH_LIBJPEG
apart -DMINIVIT_WITH_LIBJPEG '-DMINIVIT_WITH_LIBJPEG -DMINIVIT_WITH_LIBPNG'
apart '' -DMINIVIT_POOL_KEEPS=0
((failures == 0)) || exit 1
