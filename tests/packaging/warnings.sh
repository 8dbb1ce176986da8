#!/usr/bin/env bash
# Warnings that users of the headers ask for:   bash warnings.sh COMPILER INCLUDE [FLAG…]
#
# Compiles every header as a user does who includes them with -I and treats warnings as errors. FLAGs name what the library itself
# needs, its dependencies as -isystem.
set -euo pipefail
compiler=$1
include=$2
shift 2
flags=()
for flag in "$@"; do  # the compiler's own folder named again would hide the C headers behind those of C++
  [[ $flag == -isystem/usr/include ]] || flags+=("$flag")
done

all=$(cd "$include" && find minivit -name '*.hpp' ! -name source.hpp | LC_ALL=C sort | sed 's/.*/#include <&>/')
(($(wc -l <<<"$all") > 100)) || { echo "only these headers were found: $all" >&2; exit 1; }
"$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wpedantic -Werror -I"$include" "${flags[@]}" -x c++ - <<<"$all"
