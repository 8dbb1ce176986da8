#!/usr/bin/env bash
# Warnings of another compiler for programs and benchmarks:   bash programs_warnings.sh COMPILER FOLDER [FLAG…]
#
# Looks at each .cpp file in the examples and benchmarks of FOLDER, the project's, without building it. FLAGs name the library and
# what it needs.
set -euo pipefail
compiler=$1
folder=$2
shift 2
flags=()
for flag in "$@"; do  # the compiler's own folder named again would hide the C headers behind those of C++
  [[ $flag == -isystem/usr/include ]] || flags+=("$flag")
done

files=("$folder"/examples/*.cpp "$folder"/benchmarks/*.cpp)
((${#files[@]} > 10)) || { echo "only these files were found: ${files[*]}" >&2; exit 1; }
for file in "${files[@]}"; do
  "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I"$folder/include" "${flags[@]}" "$file"
done
