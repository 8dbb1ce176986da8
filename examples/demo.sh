#!/usr/bin/env bash
# The main job from start to end:   bash examples/demo.sh
#
# Installs what is missing, builds, writes handwritten digits as a folder of images, trains a Vision Transformer on them (at
# most a minute on two cores), and tries it on digits it has not seen. Everything it makes is below build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash .ci/install g++ cmake gnuplot-nox ninja-build libcli11-dev libeigen3-dev libgif-dev libjpeg62-turbo-dev libpng-dev \
  libprotozero-dev libstb-dev libtiff-dev libwebp-dev libyaml-cpp-dev nlohmann-json3-dev

echo "building …"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
  cmake --preset release && cmake --build --preset release --target minivit_program
} &>"$log" </dev/null || { cat "$log" >&2; exit 1; }
minivit=build/release/minivit

digits=build/demo/digits
rm -rf "$digits"
"$minivit" digits examples/data/digits.png examples/data/digits.labels.txt "$digits"

echo
"$minivit" train --config-name digits data.train="$digits/train" output.dir=build/demo/outputs | tee "$log"
run=$(sed -n 's/^run folder: //p' "$log")

echo
"$minivit" predict --run "$run" --top 3 "$digits"/test/[0-4]/17*0.png

echo
result=$("$minivit" evaluate --run "$run" --json "$digits/test")
number() { sed -E "s/.*\"$1\": ?([0-9.]+).*/\1/" <<<"$result"; }
printf 'demo: test accuracy %.4f (%d/%d)\n' "$(number top1)" "$(number correct)" "$(number images)"
