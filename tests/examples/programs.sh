#!/usr/bin/env bash
# The programs as their users run them:   bash programs.sh BINARIES SCRATCH TEST…
#
# BINARIES is the build folder, with minivit and examples/ in it, SCRATCH a folder for this script alone: it is emptied. Each TEST is one of the
# functions test_… below, named without test_; all of them if none is given. Says what failed, with what the program said,
# and ends with 1 if anything did.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(cd "$1" && pwd)
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
shift 2
data=$here/../../examples/data
export OMP_WAIT_POLICY=passive  # other tests run at the same time
failures=0

# ---- what the tests are written with ---------------------------------------------------------------------------------

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$1" >&2
  [[ $# -lt 2 ]] || sed 's/^/    /' "$2" >&2
}

skip() { printf 'skipped: %s\n' "$1"; }

# run CODE SUBCOMMAND ARGUMENT…: runs minivit and expects this exit code. Output and errors are in $scratch/out and $scratch/err.
input=/dev/null
run() {
  local expected=$1 code=0
  shift
  "$bin/minivit" "$@" >"$scratch/out" 2>"$scratch/err" <"$input" || code=$?
  [[ $code == "$expected" ]] || fail "$*: exit code $code, expected $expected" "$scratch/err"
}

# answering TEXT COMMAND…: the command with this on standard input; printf's escapes.
answering() {
  printf '%b' "$1" >"$scratch/answers"
  input=$scratch/answers "${@:2}"
}

# says FILE TEXT: the file has a line with this text.
says() { grep -qF -- "$2" "$1" || fail "$(basename "$1") does not say \"$2\"" "$1"; }

# refused CODE TEXT SUBCOMMAND ARGUMENT…: the program ends with this code, says this and its name on standard error and
# nothing on standard output.
refused() {
  local code=$1 text=$2
  shift 2
  run "$code" "$@"
  says "$scratch/err" "$text"
  says "$scratch/err" "minivit $1: "
  [[ ! -s $scratch/out ]] || fail "$*: an error, and yet something on standard output" "$scratch/out"
}

exists() {
  local path
  for path in "$@"; do [[ -s $path ]] || fail "$path is missing or empty"; done
}

absent() { [[ ! -e $1 ]] || fail "$1 was written and should not have been"; }

same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

# run_folder FOLDER: sets run_dir to the only run folder below it.
run_folder() {
  local runs=("$1"/*/*)
  [[ ${#runs[@]} == 1 ]] || fail "$1 has ${#runs[@]} run folders, expected 1"
  run_dir=${runs[0]:-$1/none}
}

# A tiny model; `tiny ARGUMENT…` trains it.
settings=(model.image_size=8 model.patch_size=2 model.embedding_dim=16 model.num_layers=1 model.num_heads=2 model.mlp_ratio=2
  data.hflip=0 training.epochs=2 training.batch_size=32 training.lr=5e-3 training.seed=7)
tiny() { run 0 train "${settings[@]}" "$@"; }

# copies NUMBER FROM TO: so many images of class FROM of the digits as class folder TO.
copies() {
  local i=0 image
  mkdir -p "$3"
  for image in "$scratch/digits/train/$2"/*.png; do
    ((i++ < $1)) || break
    cp "$image" "$3"
  done
}

# Two classes, 20 images each, in FOLDER.
two_classes() {
  copies 20 0 "$1/zero"
  copies 20 1 "$1/one"
}

digits() { [[ -d $scratch/digits ]] || run 0 digits "$data/digits.png" "$data/digits.labels.txt" "$scratch/digits"; }

# A run folder with a trained model of two classes: $model is its best one.
trained() {
  digits
  if [[ ! -d $scratch/trained ]]; then
    two_classes "$scratch/pair"
    tiny data.train="$scratch/pair" output.dir="$scratch/trained"
  fi
  run_folder "$scratch/trained"
  trained_run=$run_dir
  model=$trained_run/best
}

# Run folders in $project: of three days with a model, of which the second is the best, and a job of a sweep without one.
runs_to_choose_from() {
  trained
  project=$scratch/project
  rm -rf "$project"
  local day accuracy=(0 0.5 0.9 0.75) run
  for day in 1 2 3; do
    run=$project/outputs/2026-01-0$day/10-00-00
    mkdir -p "${run%/*}"
    cp -r "$trained_run" "$run"
    sed -i "s/^  lr: .*/  lr: 0.00$day/" "$run/config.yaml"
    echo "{\"status\": \"finished\", \"epochs_done\": 2, \"epochs\": 2, \"best_val_acc\": ${accuracy[day]}}" >"$run/result.json"
  done
  mkdir -p "$project/multirun/2026-01-04/10-00-00/0"
  cp "$run/config.yaml" "$project/multirun/2026-01-04/10-00-00/0"
}

# tmpfs FOLDER SIZE: mounts a small file system of its own; false where that is not allowed.
tmpfs() {
  mkdir -p "$1"
  mount -t tmpfs -o size="$2" tmpfs "$1" 2>/dev/null
}
unmount() { umount "$scratch/full" 2>/dev/null || true; }
trap unmount EXIT

# ---- the tests -------------------------------------------------------------------------------------------------------

# example NAME ARGUMENT…: runs one of the examples, which ends well.
example() {
  local code=0
  "$bin/examples/$1" "${@:2}" >"$scratch/out" 2>"$scratch/err" || code=$?
  [[ $code == 0 ]] || fail "$*: exit code $code, expected 0" "$scratch/err"
}

test_examples() {
  example hello_autograd
  says "$scratch/out" "gradient"
  example vit_from_bricks
  says "$scratch/out" "16 of 16 remembered"
  example custom_op
  says "$scratch/out" "the gradient is right"
  example eigen_interop
  says "$scratch/out" "principal"
  digits
  example custom_dataset "$data/digits.png" "$data/digits.labels.txt"
  says "$scratch/out" "of 360 digits"
  example train_loop "$scratch/digits/train" "$scratch/loop"
  exists "$scratch/loop"/{model.safetensors,config.json,preprocessor_config.json}
  run 0 evaluate --model "$scratch/loop" --json "$scratch/digits/test"
  [[ $(sed -E 's/.*"correct":([0-9]+).*/\1/' "$scratch/out") -gt 300 ]] || fail "train_loop: its model has not learned the digits" "$scratch/out"
  example classify_from_threads "$scratch/loop" "$scratch"/digits/test/*/17*0.png
  [[ $(grep -cE '17[0-9]*0\.png +[0-9] ' "$scratch/out") == $(printf '%s\n' "$scratch"/digits/test/*/17*0.png | wc -l) ]] ||
    fail "classify_from_threads: expected a line an image" "$scratch/out"
}

# The program itself: help, version, what is typed wrong.
test_usage() {
  run 0 --help
  local name
  for name in train predict evaluate runs export inspect embed probe digits; do
    grep -qE "^  $name +[A-Z].*\.$" "$scratch/out" || fail "--help: no line for $name" "$scratch/out"
  done
  [[ $(awk 'length > 120' "$scratch/out") == "" ]] || fail "--help: lines that are too long" "$scratch/out"
  run 0 --version
  grep -qE '^minivit [0-9]+\.[0-9]+\.[0-9]+$' "$scratch/out" || fail "--version: no version" "$scratch/out"
  for name in 'instruction set: ' 'threads: ' 'libraries: Eigen ' 'compiler: '; do says "$scratch/out" "$name"; done
  run 2 trian data.train=photos
  says "$scratch/err" 'minivit: there is no subcommand "trian"; did you mean "train"?'
  run 2
  says "$scratch/err" "expected a subcommand"
  run 2 --nonsense
  run 2 predict --modle a image.png
  says "$scratch/err" "minivit predict: "
  says "$scratch/err" "did you mean --model?"
  [[ ! -s $scratch/out ]] || fail "a wrong option, and yet something on standard output" "$scratch/out"
  for name in train predict evaluate runs export inspect embed probe digits; do
    run 0 "$name" --help
    says "$scratch/out" "minivit $name"
    [[ ! -s $scratch/err ]] || fail "$name --help: something on standard error" "$scratch/err"
  done
}

# What bash completes, as its completion asks.
test_completion() {
  run 0 --completion bash
  bash -n "$scratch/out" || fail "the completion script is not bash" "$scratch/out"
  cp "$scratch/out" "$scratch/completion.bash"
  refused_completion=$("$bin/minivit" --completion fish 2>&1) && fail "--completion fish: expected an error"
  [[ $refused_completion == *"expected bash"* ]] || fail "--completion fish: $refused_completion"
  # completes EXPECTED WORD…: the last word may become these.
  completes() {
    local expected=$1 found
    shift
    found=$(bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _minivit; printf "%s\n" "${COMPREPLY[@]}"' \
      bash "$scratch/completion.bash" "$@" | sort | tr '\n' ' ')
    [[ $found == "$expected " ]] || fail "completion of $*: $found, expected $expected"
  }
  completes "embed evaluate export" minivit e
  completes "--version" minivit --v
  completes "--model" minivit predict --mo
  completes "training.label_smoothing=" minivit train training.lab
  completes "base" minivit train model.preset = b
  completes "false true" minivit train log.curves =
  completes "accuracy date" minivit runs --sort ""
  completes "diff" minivit runs di
  cd "$scratch"
  mkdir -p photos && : >photo.png
  completes "photo.png photos" minivit predict --latest phot
  completes "photos" minivit train data.train = photos
  completes "photo.png photos" minivit predict --model phot
}

# Spellings of before, in files and on the command line: read, with a line that says the new one.
test_old_names() {
  trained
  run 0 train --cfg --config-name seed data.train=photos training.checkpoint=true model.preset=seed
  says "$scratch/out" "recompute: true"
  says "$scratch/out" "preset: mini"
  says "$scratch/err" "minivit train: --config-name seed is now called --config-name mini"
  says "$scratch/err" "minivit train: training.checkpoint is now called training.recompute"
  says "$scratch/err" "minivit train: model.preset=seed is now called model.preset=mini"
  [[ $(wc -l <"$scratch/err") == 3 ]] || fail "old names: expected three lines" "$scratch/err"
  # A run folder as it was written then.
  tiny data.train="$scratch/pair" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  local whole=$run_dir
  tiny data.train="$scratch/pair" output.dir="$scratch/old" --until-epoch 1
  run_folder "$scratch/old"
  sed -i 's/^  recompute: /  checkpoint: /; s/^  preset: mini/  preset: seed/' "$run_dir/config.yaml"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
  [[ ! -s $scratch/err ]] || fail "predict with an old run: something on standard error" "$scratch/err"
  run 0 runs diff "$whole" "$run_dir"
  says "$scratch/out" "settings: no difference"
  run 0 train --resume "$run_dir"
  says "$scratch/err" "training.checkpoint is now called training.recompute"
  [[ $(wc -l <"$scratch/err") == 2 ]] || fail "an old run: expected a line for each of two names" "$scratch/err"
  same_run "$whole" "$run_dir"
}

test_digits() {
  digits
  [[ $(find "$scratch/digits/train" -name '*.png' | wc -l) == 1437 ]] || fail "digits: expected 1437 images for training"
  [[ $(find "$scratch/digits/test" -name '*.png' | wc -l) == 360 ]] || fail "digits: expected 360 images for testing"
  [[ $(ls "$scratch/digits/train") == $'0\n1\n2\n3\n4\n5\n6\n7\n8\n9' ]] || fail "digits: expected a folder for each digit"
  refused 1 "nowhere.png" digits nowhere.png "$data/digits.labels.txt" "$scratch/none"
  refused 1 "too small for" digits "$scratch/digits/train/0/0000.png" "$data/digits.labels.txt" "$scratch/none"
  absent "$scratch/none"
  run 2 digits only-one-argument
  says "$scratch/err" "labels is required"
}

test_train() {
  digits
  local all=(data.train="$scratch/digits/train" training.optimizer=adamw model.dropout=0.1 training.ema=0.9)
  tiny "${all[@]}" output.dir="$scratch/first"
  run_folder "$scratch/first"
  local one=$run_dir folder file
  says "$scratch/out" "run folder: $one"
  [[ ! -s $scratch/err ]] || fail "train: something on standard error" "$scratch/err"
  exists "$one"/{config.yaml,training_history.csv,class_mapping.json,train.log}
  exists "$one"/{best,last}/{model.safetensors,config.json,preprocessor_config.json}
  ! grep -vxFf "$one/train.log" "$scratch/out" || fail "train said what is not in its log" "$scratch/out"
  says "$one/config.yaml" "embedding_dim: 16"
  says "$one/config.yaml" "seed: 7"
  says "$one/class_mapping.json" '"9": 9'
  [[ -z $(find "$one" -name '.*') ]] || fail "train left temporary files in $one"

  # A header and a row an epoch, of as many numbers as the header has names; the loss falls.
  awk -F, '
    NR == 1 { columns = NF; if ($1 != "epoch" || $2 != "train_loss") exit 1; next }
    { if (NF != columns || $1 != NR - 1) exit 1
      for (i = 1; i <= NF; i++) if ($i !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) exit 1
      loss[NR - 1] = $2 }
    END { if (NR != 3 || !(loss[2] < loss[1])) exit 1 }' "$one/training_history.csv" ||
    fail "training_history.csv is not as expected" "$one/training_history.csv"

  # The same command gives the same bits, with one thread and without loader threads, too.
  tiny "${all[@]}" output.dir="$scratch/second"
  OMP_NUM_THREADS=1 tiny "${all[@]}" data.workers=0 output.dir="$scratch/third"
  for folder in second third; do
    run_folder "$scratch/$folder"
    for file in {best,last}/{model.safetensors,config.json}; do same "$one/$file" "$run_dir/$file"; done
  done
  tiny "${all[@]}" training.seed=8 output.dir="$scratch/fourth"
  run_folder "$scratch/fourth"
  ! cmp -s "$one/last/model.safetensors" "$run_dir/last/model.safetensors" || fail "another seed gives the same weights"

  run 0 evaluate --run "$one" "$scratch/digits/test"
  says "$scratch/out" "/360)"
  run 0 evaluate --model "$one/last" --json "$scratch/digits/test"
  says "$scratch/out" '"images"'
}

test_train_options() {
  trained
  # The other optimizer, accumulation, a folder for validation, an image size that is not square.
  tiny data.train="$scratch/pair" data.val="$scratch/pair" training.optimizer=sgd training.accumulate=2 data.workers=2 \
    data.trivial_augment=true model.image_size=8x12 model.pooling=mean model.class_token=false model.positions=sincos \
    model.layer_scale=0.1 model.register_tokens=1 data.fit=squash output.dir="$scratch/options"
  run_folder "$scratch/options"
  exists "$run_dir/best/model.safetensors"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
  # Weights to begin with: from the first epoch on as good as the model that they are of. Other classes get a new head, other
  # sizes are refused.
  local best
  tiny data.train="$scratch/digits/train" training.epochs=6 output.dir="$scratch/before"
  run_folder "$scratch/before"
  best=$run_dir/best
  tiny data.train="$scratch/digits/train" model.pretrained="$best" training.lr=0 training.epochs=1 output.dir="$scratch/after"
  run_folder "$scratch/after"
  same "$best/model.safetensors" "$run_dir/last/model.safetensors"
  tiny data.train="$scratch/pair" model.pretrained="$best" output.dir="$scratch/other_head"
  run 2 train "${settings[@]}" data.train="$scratch/pair" model.pretrained="$best" model.embedding_dim=32 output.dir="$scratch/other_size"
  says "$scratch/err" "model.embedding_dim is 32, model.pretrained="
  absent "$scratch/other_size"
  # More images in a batch than there are.
  tiny data.train="$scratch/pair" training.batch_size=4096 training.epochs=1 output.dir="$scratch/large_batch"
  # Two runs that start together have a folder each.
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/together" &>"$scratch/log1" & local first=$!
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/together" &>"$scratch/log2" & local second=$!
  wait $first || fail "train: the first of two runs" "$scratch/log1"
  wait $second || fail "train: the second of two runs" "$scratch/log2"
  local runs=("$scratch"/together/*/*)
  [[ ${#runs[@]} == 2 ]] || fail "two runs at once made ${#runs[@]} folders"
}

test_help() {
  run 0 train --help
  says "$scratch/out" "training.lr="
  says "$scratch/out" "model.image_size="
  run 2 train
  says "$scratch/err" "data.train="
  local program
  run 0 runs --help
  says "$scratch/out" "diff"
  for program in predict evaluate embed probe export; do
    run 0 "$program" --help
    says "$scratch/out" "--run"
    run 2 "$program"
    run 2 "$program" --model a --run b image.png
    run 2 "$program" --modle a image.png
    [[ -s $scratch/err ]] || fail "$program: nothing said about an unknown option"
  done
}

# The table in the documentation is what the program says of itself.
test_settings_table() {
  run 0 train --settings
  [[ $(wc -l <"$scratch/out") -gt 60 ]] || fail "--settings: not all of them" "$scratch/out"
  sed -n '/^|/p' "$here/../../docs/settings.md" >"$scratch/documented"
  diff "$scratch/documented" "$scratch/out" >"$scratch/difference" ||
    fail "docs/settings.md is not current; put what minivit train --settings prints below its introduction" "$scratch/difference"
}

test_predict() {
  trained
  local image=("$scratch"/pair/zero/*.png)
  run 0 predict --run "$trained_run" "${image[0]}"
  says "$scratch/out" "${image[0]}"
  grep -qE ' (zero|one) [0-9.]+%  (zero|one) [0-9.]+%$' "$scratch/out" || fail "predict: no probabilities" "$scratch/out"
  run 0 predict --model "$model" --top 1 "${image[@]:0:3}"
  [[ $(grep -cE ' (zero|one) [0-9.]+%$' "$scratch/out") == 3 ]] || fail "predict: expected 3 lines" "$scratch/out"

  run 0 predict --model "$model" --json "$scratch/pair"
  [[ $(wc -l <"$scratch/out") == 40 ]] || fail "predict --json: expected 40 lines" "$scratch/out"
  local line
  while IFS= read -r line; do
    [[ $line =~ ^\{\"image\":.*\"label\":.*\"confidence\":.*\"top\":.*\"logits\":.*\}$ ]] || fail "predict --json: $line"
  done <"$scratch/out"
  if command -v python3 >/dev/null; then
    python3 - "$scratch/out" <<'PYTHON' || fail "predict --json: not the promised objects" "$scratch/out"
import json, math, sys
for line in open(sys.argv[1]):
    p = json.loads(line)
    assert list(p) == ["image", "label", "confidence", "top", "logits"], p
    assert p["label"] == p["top"][0]["label"] and p["confidence"] == p["top"][0]["probability"]
    assert abs(sum(t["probability"] for t in p["top"]) - 1) < 1e-5 and len(p["logits"]) == 2
    top = max(p["logits"])
    assert abs(p["confidence"] - 1 / sum(math.exp(z - top) for z in p["logits"])) < 1e-5
PYTHON
  fi
  run 0 predict --model "$model" --json "$scratch/pair/zero" "$scratch/pair/one"
  sed 's/"confidence".*//' "$scratch/out" | sort >"$scratch/one"
  run 0 predict --model "$model" --json "$scratch/pair"
  sed 's/"confidence".*//' "$scratch/out" | sort | cmp -s - "$scratch/one" || fail "predict: folders give other images than their parent"

  run 2 predict --model "$model" --top 0 "${image[0]}"
  refused 1 "nowhere.png: no such file or folder" predict --model "$model" nowhere.png
  mkdir -p "$scratch/no_images"
  refused 1 "holds no images" predict --model "$model" "$scratch/no_images"
  refused 1 "config.json" predict --model "$scratch/no_images" "${image[0]}"
  # What cannot be decoded is named; the others are predicted all the same.
  mkdir -p "$scratch/mixed"
  cp "${image[0]}" "$scratch/mixed/a.png"
  echo "not an image" >"$scratch/mixed/b.png"
  cp "${image[1]}" "$scratch/mixed/c.PNG"
  ln -s nowhere "$scratch/mixed/d.png"
  run 1 predict --model "$model" "$scratch/mixed"
  says "$scratch/err" "mixed/b.png"
  says "$scratch/err" "mixed/d.png"
  [[ $(wc -l <"$scratch/out") == 2 ]] || fail "predict: expected the 2 images that can be read" "$scratch/out"
}

test_features() {
  trained
  local image=("$scratch"/pair/zero/*.png) out=$scratch/features
  mkdir -p "$out"
  run 0 embed --run "$trained_run" --batch 7 --out "$out/f.npy" "$scratch/pair"
  [[ ! -s $scratch/err ]] || fail "embed: something on standard error" "$scratch/err"
  says "$scratch/out" "f.npy: 16 features of 40 images"
  says "$scratch/out" "f.txt: the names of the images"
  [[ $(stat -c %s "$out/f.npy") == $((128 + 40 * 16 * 4)) ]] || fail "embed: f.npy is not of 40 rows of 16 floats"
  grep -aqF "'shape': (40, 16), }" "$out/f.npy" || fail "embed: f.npy is not (40, 16)"
  [[ $(cat "$out/f.txt") == $(find "$scratch/pair" -name '*.png' | LC_ALL=C sort) ]] || fail "embed: other names than the images'" "$out/f.txt"
  run 0 embed --model "$model" --batch 7 --json --out "$out/f.csv" "$scratch/pair"
  [[ $(cat "$scratch/out") == "{\"images\":40,\"skipped\":0,\"features\":16,\"out\":\"$out/f.csv\"}" ]] ||
    fail "embed --json: not as expected" "$scratch/out"
  [[ $(head -n 1 "$out/f.csv") == image,f0,f1,*,f15 ]] || fail "embed: the header of the table" "$out/f.csv"
  [[ $(tail -n +2 "$out/f.csv" | cut -d, -f1) == $(cat "$out/f.txt") ]] || fail "embed: the table has other images" "$out/f.csv"
  if command -v python3 >/dev/null; then
    python3 - "$out" <<'PYTHON' || fail "embed: matrix and table differ"
import csv, struct, sys
data = open(sys.argv[1] + "/f.npy", "rb").read()
rows = list(csv.reader(open(sys.argv[1] + "/f.csv")))[1:]
values = [float(v) for row in rows for v in row[1:]]
assert data[:10] == b"\x93NUMPY\1\0\x76\0" and struct.pack("<640f", *values) == data[128:]
PYTHON
  fi

  # What cannot be decoded is named, counted and left out; nothing is written if nothing is left.
  mkdir -p "$scratch/blurred"
  cp "${image[0]}" "$scratch/blurred/a, b.png"
  echo "not an image" >"$scratch/blurred/c.png"
  run 1 embed --model "$model" --out "$out/g.csv" "$scratch/blurred"
  says "$scratch/err" "blurred/c.png"
  says "$scratch/err" "embed: 1 images were skipped"
  says "$out/g.csv" "\"$scratch/blurred/a, b.png\","
  refused 1 "none of 1 images can be read" embed --model "$model" --out "$out/h.npy" "$scratch/blurred/c.png"
  absent "$out/h.npy"
  absent "$out/h.txt"
  refused 2 "expected a name that ends in .npy or .csv" embed --model "$model" --out "$out/f.json" "${image[0]}"
  refused 1 "nowhere/f.npy" embed --model "$model" --out "$out/nowhere/f.npy" "${image[0]}"
  refused 1 "nowhere.png: no such file or folder" embed --model "$model" nowhere.png
  run 2 embed --model "$model"

  # Classes that the model was not trained on.
  copies 30 2 "$scratch/others/two"
  copies 30 3 "$scratch/others/three"
  copies 30 4 "$scratch/others/four"
  run 0 probe --run "$trained_run" --train "$scratch/others" --knn 5 --save "$out/model"
  [[ ! -s $scratch/err ]] || fail "probe: something on standard error" "$scratch/err"
  says "$scratch/out" "72 images for training, 18 for validation, 3 classes, 16 features"
  grep -qE '^5 nearest neighbors: accuracy [01]\.[0-9]{4} \([0-9]+/18\)$' "$scratch/out" || fail "probe: no neighbors" "$scratch/out"
  grep -qE '^linear classifier: accuracy [01]\.[0-9]{4} ' "$scratch/out" || fail "probe: no linear classifier" "$scratch/out"
  says "$scratch/out" "model folder: $out/model"
  # The saved model is that classifier, and predicts the folder's classes.
  run 0 predict --model "$out/model" --top 3 "${image[0]}"
  says "$scratch/out" "three"
  run 0 probe --model "$model" --train "$scratch/others" --val "$scratch/others" --json --save "$out/model"
  local correct
  correct=$(sed -E 's/.*"linear":\{("correct":[0-9]+).*/\1/' "$scratch/out")
  says "$scratch/out" "\"saved\":\"$out/model\""
  run 0 evaluate --model "$out/model" --json "$scratch/others"
  says "$scratch/out" "\"images\":90,$correct,"
  run 0 probe --model "$model" --train "$scratch/others" --no-linear --json
  ! grep -q linear "$scratch/out" || fail "probe --no-linear: a linear classifier" "$scratch/out"

  refused 2 "--knn is 100, expected at most 72" probe --model "$model" --train "$scratch/others" --knn 100
  refused 2 "a folder with something else than a model" probe --model "$model" --train "$scratch/others" --save "$scratch/pair"
  exists "${image[0]}"
  refused 1 "nowhere/model" probe --model "$model" --train "$scratch/others" --save "$scratch/nowhere/model"
  refused 1 'class "one" is not among the 3 known classes' probe --model "$model" --train "$scratch/others" --val "$scratch/pair"
  refused 1 "nowhere: not a folder" probe --model "$model" --train "$scratch/nowhere"
  run 2 probe --model "$model" --train "$scratch/others" --val "$scratch/others" --val-fraction 0.5
  run 2 probe --model "$model" --train "$scratch/others" --no-linear --save "$out/model"
  run 2 probe --model "$model"
}

# state_of FOLDER: a checkpoint without its times and the length of the event file, in which the settings are.
state_of() {
  python3 - "$1/training_state.safetensors" <<'PYTHON'
import hashlib, json, struct, sys
data = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + n])
for key in ("seconds", "epoch_seconds", "events_bytes"):
    header["__metadata__"].pop(key)
print(json.dumps(header, sort_keys=True), hashlib.sha256(data[8 + n:]).hexdigest())
PYTHON
}

# same_run A B: two run folders hold the same, but for times.
same_run() {
  local file
  for file in {best,last}/{model.safetensors,config.json,preprocessor_config.json} learning_rates_per_step.csv class_mapping.json; do
    same "$1/$file" "$2/$file"
  done
  cut -d, -f1-7 "$1/training_history.csv" | cmp -s - <(cut -d, -f1-7 "$2/training_history.csv") ||
    fail "$1 and $2 have other histories" "$2/training_history.csv"
  if command -v python3 >/dev/null; then
    [[ $(state_of "$1/last") == "$(state_of "$2/last")" ]] || fail "$1 and $2 have other states"
  fi
}

# Everything that can make a difference to a run that goes on.
exact=(model.dropout=0.1 model.attention_dropout=0.1 model.drop_path=0.1 training.ema=0.9 training.accumulate=2
  data.trivial_augment=yes data.hflip=0.5 training.epochs=25 training.save_seconds=0.02)

test_resume() {
  digits
  local all=(data.train="$scratch/digits/train" "${exact[@]}") i kills=0 code pid
  tiny "${all[@]}" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  local whole=$run_dir
  exists "$whole"/{overrides.yaml,result.json,learning_rates_per_step.csv,events.out.tfevents.*}
  says "$whole/result.json" '"status": "finished"'
  if command -v gnuplot >/dev/null; then exists "$whole"/training_curves.{png,svg,gnuplot}; fi

  # Killed 20 times, at any moment: it goes on, and ends with the same bits.
  "$bin/minivit" train "${settings[@]}" "${all[@]}" output.dir="$scratch/killed" &>"$scratch/log" & pid=$!
  for ((i = 0; kills < 20 && i < 200; ++i)); do
    sleep "0.$(printf '%03d' $((RANDOM % 200 + 5)))"
    kill -KILL $pid 2>/dev/null || true
    code=0
    wait $pid 2>/dev/null || code=$?
    if [[ $code == 0 ]]; then break; fi
    [[ $code == 137 ]] || fail "train --resume: exit code $code" "$scratch/log"
    kills=$((kills + 1))
    if compgen -G "$scratch/killed/*/*" >/dev/null; then
      run_folder "$scratch/killed"
      "$bin/minivit" train --resume "$run_dir" &>"$scratch/log" & pid=$!
    else  # before the folder was there
      "$bin/minivit" train "${settings[@]}" "${all[@]}" output.dir="$scratch/killed" &>"$scratch/log" & pid=$!
    fi
  done
  wait $pid 2>/dev/null || fail "train --resume: the last one" "$scratch/log"
  run_folder "$scratch/killed"
  run 0 train --resume "$run_dir"
  same_run "$whole" "$run_dir"
  [[ $kills -ge 5 ]] || fail "train ended before it could be killed more than $kills times"
  [[ -z $(find "$run_dir" -name '.*') ]] || fail "train left temporary files in $run_dir"

  # Asked to stop: the step is finished, the code says why, and it goes on.
  local signal
  for signal in INT TERM; do
    "$bin/minivit" train "${settings[@]}" "${all[@]}" training.epochs=100 output.dir="$scratch/$signal" &>"$scratch/log" & pid=$!
    for ((i = 0; i < 100; ++i)); do
      if compgen -G "$scratch/$signal/*/*/best" >/dev/null; then break; fi
      sleep 0.1
    done
    code=0
    kill -$signal $pid
    wait $pid || code=$?
    [[ $code == "$([[ $signal == INT ]] && echo 130 || echo 143)" ]] || fail "train stopped by $signal: exit code $code" "$scratch/log"
    says "$scratch/log" "to go on: minivit train --resume $scratch/$signal"
    run_folder "$scratch/$signal"
    says "$run_dir/result.json" '"status": "interrupted"'
  done

  # Stopped by the clock, by an epoch, for want of progress.
  run 0 train "${settings[@]}" "${all[@]}" training.time_limit=0.05 output.dir="$scratch/limit"
  says "$scratch/out" "the time is up"
  run_folder "$scratch/limit"
  run 0 train --resume "$run_dir" training.time_limit=0 --until-epoch 2
  says "$run_dir/result.json" '"status": "paused"'
  run 0 train --resume "$run_dir" training.time_limit=0
  same_run "$whole" "$run_dir"
  tiny "${all[@]}" training.lr=1e-7 training.patience=1 training.epochs=50 output.dir="$scratch/patience"
  says "$scratch/out" "stopped early"

  # What is not a run, was another one, or cannot go on.
  refused 2 "only training.time_limit" train --resume "$run_dir" training.lr=1
  refused 2 "training.lr: a run goes on" train --resume "$run_dir" '~training.lr'
  refused 2 "leave out --config" train --resume "$run_dir" --config-name digits
  refused 1 "there is no config.yaml" train --resume "$scratch"
  rm -r "$run_dir/last"
  refused 1 "has no checkpoint" train --resume "$run_dir"
  run_folder "$scratch/INT"
  sed -i "s|$scratch/digits/train|$scratch/other|" "$run_dir/config.yaml"
  two_classes "$scratch/other"
  run 1 train --resume "$run_dir"
}

test_not_finite() {
  trained
  run 3 train "${settings[@]}" data.train="$scratch/pair" training.lr=1000 training.clip_norm=0 training.epochs=50 \
    output.dir="$scratch/nan"
  grep -qE '^step [0-9]+: .* elements that are not finite' "$scratch/err" || fail "train: the tensor is not named" "$scratch/err"
  run_folder "$scratch/nan"
  says "$run_dir/result.json" '"status": "not finite"'
}

test_configuration() {
  trained
  cd "$scratch"
  run 0 train --cfg data.train=photos training.lr=1e-4 '~model.dropout' +notes.why=because
  says "$scratch/out" "lr: 1e-04"
  says "$scratch/out" '"why": "because"'
  cp "$scratch/out" "$scratch/resolved.yaml"
  run 0 train --cfg --config "$scratch/resolved.yaml"
  same "$scratch/out" "$scratch/resolved.yaml"
  local name
  for name in digits cifar10 mini finetune; do
    run 0 train --cfg --config-name $name data.train=photos
    [[ $(wc -l <"$scratch/out") -gt 40 ]] || fail "--cfg: not the whole configuration" "$scratch/out"
  done
  run 0 train --cfg --config-name digits
  says "$scratch/out" "embedding_dim: 96"
  refused 2 "only " train --config-name nothing
  refused 2 "no such file" train --config nowhere.yaml
  printf 'training: {lr: 0.1\n' >bad.yaml
  refused 2 "bad.yaml: line 2, column 1" train --config bad.yaml
  printf 'training:\n  lr: fast\n' >bad.yaml
  refused 2 'bad.yaml: line 2, column 7: training.lr is "fast", expected a number' train --config bad.yaml data.train=photos
  printf 'training:\n  learning_rate: 1\n' >bad.yaml
  refused 2 'bad.yaml: line 2, column 18: unknown setting "training.learning_rate"' train --config bad.yaml data.train=photos
  refused 2 "model is a section" train data.train=photos model=small
  refused 2 "write it without the +" train --config resolved.yaml +training.lr=1
  refused 2 "add --multirun" train data.train=photos training.lr=0.1,0.2
}

test_sweep() {
  trained
  local all=(data.train="$scratch/pair" log.tensorboard=no log.curves=no model.image_size=8 model.patch_size=2
    model.embedding_dim=16 model.num_heads=2 model.mlp_ratio=2)
  run 0 train "${all[@]}" training.epochs=2 --multirun model.num_layers=1,2 'training.lr=choice(0.001,0.005,1e-9)' \
    output.multirun="$scratch/sweeps"
  local sweep=("$scratch"/sweeps/*/*)
  [[ ${#sweep[@]} == 1 ]] || fail "a sweep made ${#sweep[@]} folders"
  exists "$sweep"/{0,1,2,3,4,5}/{config.yaml,overrides.yaml,result.json,best/model.safetensors}
  says "$scratch/out" "#0 : model.num_layers=1 training.lr=0.001"
  says "$scratch/out" "#5 : model.num_layers=2 training.lr=1e-9"
  head -n 1 "$sweep/summary.csv" | grep -qx 'job,status,val_acc,val_loss,best_epoch,epochs_done,seconds,model.num_layers,training.lr' ||
    fail "summary.csv: not the header" "$sweep/summary.csv"
  tail -n +2 "$sweep/summary.csv" | cut -d, -f3 | sort -rgc || fail "summary.csv is not sorted" "$sweep/summary.csv"

  # It goes on with what is missing, and leaves out what is done.
  rm -r "$sweep"/4/{last,best,result.json,training_history.csv}
  run 0 train --resume "$sweep"
  [[ $(grep -c 'done before' "$scratch/out") == 5 ]] || fail "a resumed sweep does again what was done" "$scratch/out"
  exists "$sweep/4/best/model.safetensors"

  # Halving; a job that fails does not stop the others.
  run 1 train "${all[@]}" model.num_layers=1 training.epochs=60 training.clip_norm=0 -m \
    training.lr=1e-9,0.005,1000,0.003 --halving 0.5 output.multirun="$scratch/halved"
  sweep=("$scratch"/halved/*/*)
  says "$scratch/err" "job #2 ended with exit code 3; the others go on"
  [[ $(grep -c ',halved,' "$sweep/summary.csv") == 1 && $(grep -c ',finished,' "$sweep/summary.csv") == 2 ]] ||
    fail "halving: not what was expected" "$sweep/summary.csv"
  run 0 train "${all[@]}" model.num_layers=1 training.epochs=1 -m --sampler random --trials 3 'training.lr=loguniform(1e-4,1e-2)' \
    output.multirun="$scratch/random"
  [[ $(wc -l <"$(echo "$scratch"/random/*/*/summary.csv)") == 4 ]] || fail "three trials make four lines"

  # Wrong ones are refused before anything is made.
  refused 2 "the sweep has 1000000 jobs, at most 10000" train data.train="$scratch/pair" -m \
    model.num_layers="$(seq -s, 100)" training.epochs="$(seq -s, 100)" training.seed="$(seq -s, 100)" output.multirun="$scratch/no_sweep"
  refused 2 "training.lr is \"x\"" train "${all[@]}" -m training.lr=0.1,x output.multirun="$scratch/no_sweep"
  refused 2 "needs --sampler random" train "${all[@]}" -m 'training.lr=uniform(0,1)' output.multirun="$scratch/no_sweep"
  absent "$scratch/no_sweep"
}

# Models of others: what they are, what they see, trained further, handed back.
test_pretrained() {
  trained
  local models data common image=("$scratch"/pair/zero/*.png)
  data=$(cd "$(dirname "${BASH_SOURCE[0]}")/../data/fixtures/pretrained" && pwd)
  models=("$data"/*/)
  run 0 inspect --brief "${models[@]}"
  says "$scratch/out" "hf_vit/: ViT, transformers' names"
  says "$scratch/out" "timm_dinov2_registers/: DINOv2 with registers, timm's names"
  says "$scratch/out" "5 classes: kind 0, kind 1"
  run 0 inspect --json "$data/hf_dinov2"
  says "$scratch/out" '"name":"dinov2.embeddings.cls_token","dtype":"F32","shape":[1,1,16],"as":"cls_token"'
  mkdir -p "$scratch/foreign"
  head -c 900 "$data/timm_vit/model.safetensors" >"$scratch/foreign/cut.safetensors"
  cp "$data/timm_by_name/model.safetensors" "$scratch/foreign/bare.safetensors"
  run 1 inspect "$scratch/foreign/cut.safetensors" "$scratch/foreign/nothing"
  says "$scratch/out" "cut.safetensors: refused: "
  says "$scratch/out" "nothing: refused: "
  run 1 inspect "$scratch/foreign/bare.safetensors"
  says "$scratch/out" "the weights do not tell the number of attention heads"
  run 0 inspect --architecture vit_tiny_patch16_224 "$scratch/foreign/bare.safetensors"

  # Every program takes them.
  run 0 predict --model "$data/hf_vit" --json "${image[@]:0:3}"
  says "$scratch/out" '"label":"kind '
  [[ ! -s $scratch/err ]] || fail "predict: something on standard error" "$scratch/err"
  run 0 predict --model "$scratch/foreign/bare.safetensors" --architecture vit_tiny_patch16_224 "${image[0]}"
  says "$scratch/err" "the files do not say how images are prepared"
  refused 2 "has no classes" predict --model "$data/hf_dinov2_model" "${image[0]}"
  run 0 embed --model "$data/hf_dinov2" --out "$scratch/foreign/f.csv" "${image[0]}"
  says "$scratch/foreign/f.csv" ",f31"

  # Trained further: its sizes and preparation are the defaults.
  common=(data.train="$scratch/pair" training.epochs=2 training.batch_size=16 log.tensorboard=no log.curves=no training.seed=3)
  run 0 train "${common[@]}" model.pretrained="$data/hf_deit" output.dir="$scratch/deit"
  run_folder "$scratch/deit"
  for line in "image_size: \"16\"" "embedding_dim: 16" "distillation: token" "fit: \"squash\"" "crop_pct: 0.888" "norm_eps: 1e-12"; do
    says <(tr -d '"' <"$run_dir/config.yaml") "${line//\"/}"
  done
  run 0 predict --run "$run_dir" "${image[0]}"
  run 0 train "${common[@]}" model.pretrained="$data/timm_dinov2_giant" training.freeze=1 training.layer_decay=0.7 \
    training.backbone_lr=0.5 model.head_dropout=0.1 model.image_size=24 output.dir="$scratch/giant"
  says "$scratch/err" "positions interpolated from 4x4 to 6x6 patches"
  says "$scratch/err" "the head is new"
  # Gray; and a little more at a higher resolution at the end.
  run 0 train "${common[@]}" model.pretrained="$data/hf_vit" model.channels=1 log.tensorboard=yes output.dir="$scratch/gray"
  says "$scratch/err" "input channels summed to one"
  run_folder "$scratch/gray"
  run 0 predict --run "$run_dir" "${image[0]}"
  run 0 train "${common[@]}" model.pretrained="$run_dir/best" model.image_size=24 training.epochs=1 output.dir="$scratch/finer"
  says "$scratch/err" "positions interpolated from 4x4 to 6x6 patches"
  refused 2 'freeze is "3", expected' train "${common[@]}" model.pretrained="$data/hf_vit" training.freeze=3 output.dir="$scratch/none"
  cp -r "$data/hf_vit" "$scratch/foreign/odd"
  sed -i 's/"num_attention_heads": 2/"num_attention_heads": 3/' "$scratch/foreign/odd/config.json"
  refused 1 "not divisible by num_heads 3" train "${common[@]}" model.pretrained="$scratch/foreign/odd" output.dir="$scratch/none"
  cp -r "$data/hf_vit" "$scratch/foreign/holed"  # a layer that the configuration does not speak of
  LC_ALL=C sed -i 's/layernorm_after/layernorm_aftex/g' "$scratch/foreign/holed/model.safetensors"
  refused 1 "missing: blocks.0.norm2.weight" train "${common[@]}" model.pretrained="$scratch/foreign/holed" output.dir="$scratch/none"
  refused 1 "nowhere" train "${common[@]}" model.pretrained="$scratch/nowhere" output.dir="$scratch/none"
  absent "$scratch/none"

  # Adapters: what is saved for others is an ordinary model; a run that was stopped ends with the same bits, and does not need
  # the model that it began with.
  cp -r "$data/hf_vit" "$scratch/foreign/vit"
  local adapted=("${common[@]}" training.epochs=4 model.pretrained="$scratch/foreign/vit" training.lora_rank=2 training.ema=0.9)
  run 0 train "${adapted[@]}" output.dir="$scratch/whole_lora"
  run 0 train "${adapted[@]}" output.dir="$scratch/cut_lora" --until-epoch 2
  rm -r "$scratch/foreign/vit"
  run_folder "$scratch/cut_lora"
  local cut=$run_dir
  run 0 train --resume "$cut"
  run_folder "$scratch/whole_lora"
  same_run "$run_dir" "$cut"
  run 0 predict --run "$cut" "${image[0]}"
  grep -aq lora "$cut/last/model.safetensors" || fail "no adapters in last/"
  ! grep -aq lora "$cut/best/model.safetensors" || fail "adapters in best/"

  # Handed back, with a card; read again it says the same.
  local format
  for format in timm transformers transformers5; do
    run 0 export --run "$trained_run" --to $format --out "$scratch/foreign/$format"
    says "$scratch/foreign/$format/README.md" "| validation accuracy | "
    run 0 predict --model "$trained_run/best" --json "${image[@]}"
    cp "$scratch/out" "$scratch/foreign/expected"
    run 0 predict --model "$scratch/foreign/$format" --json "${image[@]}"
    same "$scratch/foreign/expected" "$scratch/out"
  done
  run 0 export --run "$trained_run" --to onnx --out "$scratch/foreign/onnx"
  exists "$scratch/foreign/onnx/model.onnx"
  refused 2 "transformers has no model with a head on the mean" export --model "$data/timm_mean" --to transformers --out "$scratch/foreign/no"
  refused 2 "a folder with something else" export --run "$trained_run" --to onnx --out "$scratch/pair"
  mkdir -p "$scratch/project2"
  tee "$scratch/project2/"{README.md,config.json,main.c} <<<"mine" >/dev/null
  refused 2 "a folder with something else" export --run "$trained_run" --to onnx --out "$scratch/project2"
  refused 2 "a folder with something else" probe --run "$trained_run" --train "$scratch/pair" --knn 5 --save "$scratch/project2"
  exists "$scratch/project2/main.c"
  run 2 export --run "$trained_run" --to keras --out "$scratch/foreign/no"
  absent "$scratch/foreign/no"
}

test_choose_run() {
  runs_to_choose_from
  local image=("$scratch"/pair/zero/*.png) root=(--root "$project/outputs" --root "$project/multirun")
  took() { says "$scratch/out" "outputs/2026-01-0$1/10-00-00/best"; }

  # The runs with a model, the newest last; a number, then images until an empty line.
  answering "2\n${image[0]}\n$scratch/pair/one\n\nnever read\n" run 0 predict "${root[@]}"
  took 2
  grep -qE '^1  2026-01-01 10:00:00  finished +2/2   0.5000  lr=0.001$' "$scratch/out" ||
    fail "predict: the table is not as expected" "$scratch/out"
  [[ $(grep -oE '2026-01-0[1-4].10.00.00 ' "$scratch/out" | tr '\n' ,) == '2026-01-01 10:00:00 ,2026-01-02 10:00:00 ,2026-01-03 10:00:00 ,' ]] ||
    fail "predict: expected the three runs with a model, the newest last" "$scratch/out"
  [[ $(grep -cE '  (zero|one) [0-9.]+%$' "$scratch/out") == 21 ]] || fail "predict: expected 21 images" "$scratch/out"
  [[ ! -s $scratch/err ]] || fail "predict: something on standard error" "$scratch/err"

  # Nothing is the newest. Images of the command line are not asked for.
  answering '\n' run 0 predict "${root[@]}" "${image[0]}"
  took 3
  ! grep -q 'image or folder' "$scratch/out" || fail "predict asks for images although there are some" "$scratch/out"
  # Wrong numbers are asked for again, three times; the end of the input is no choice.
  answering '9\nx\n 1 \n' run 0 predict "${root[@]}" "${image[0]}"
  says "$scratch/out" '"x" is no number in the table'
  took 1
  answering '0\n4\n-1\n1\n' run 2 predict "${root[@]}" "${image[0]}"
  says "$scratch/err" "no run was chosen in three attempts"
  run 2 predict "${root[@]}" "${image[0]}"
  says "$scratch/err" "no run was chosen; name it with --run"
  answering '1\n' run 0 predict "${root[@]}"
  # An image that cannot be read ends nothing. Quotes around a name are not part of it.
  answering "1\nnowhere.png\n'${image[0]}'\n" run 1 predict "${root[@]}"
  says "$scratch/err" "nowhere.png: no such file or folder"
  grep -qE '  (zero|one) [0-9.]+%$' "$scratch/out" || fail "predict: no image after one that cannot be read" "$scratch/out"
  # With --json, standard output has nothing else.
  answering "3\n${image[0]}\n" run 0 predict "${root[@]}" --json
  says "$scratch/err" "run number [newest]: "
  [[ $(wc -l <"$scratch/out") == 1 && $(head -c 9 "$scratch/out") == '{"image":' ]] || fail "predict --json: not only JSON" "$scratch/out"

  # For scripts, here with the folders that are looked in by default. The best run has other weights than the newest: what is
  # predicted tells which one was taken.
  tiny data.train="$scratch/pair" training.seed=8 output.dir="$scratch/other_seed"
  run_folder "$scratch/other_seed"
  pushd "$project" >/dev/null
  cp "$run_dir/best/model.safetensors" outputs/2026-01-02/10-00-00/best
  run 0 predict --json --run outputs/2026-01-02/10-00-00 "${image[0]}"
  mv "$scratch/out" "$scratch/of_best"
  run 0 predict --json --run outputs/2026-01-03/10-00-00 "${image[0]}"
  mv "$scratch/out" "$scratch/of_latest"
  ! cmp -s "$scratch/of_best" "$scratch/of_latest" || fail "predict: two models predict the same"
  run 0 predict --json --best "${image[0]}"
  same "$scratch/out" "$scratch/of_best"
  run 0 predict --json --latest "${image[0]}"
  same "$scratch/out" "$scratch/of_latest"
  run 0 evaluate --best "$scratch/pair"
  says "$scratch/out" "/40)"
  rm outputs/2026-01-03/10-00-00/best/config.json
  refused 1 "outputs/2026-01-03/10-00-00/best/config.json" predict --latest "${image[0]}"
  refused 1 "outputs/2026-01-03/10-00-00/best/config.json" evaluate --latest "$scratch/pair"
  run 2 predict --latest
  says "$scratch/err" "images"
  run 2 predict --latest --best "${image[0]}"
  run 2 predict --run "" --latest "${image[0]}"
  refused 1 "config.json" predict --run "" "${image[0]}"
  popd >/dev/null
  rm -r "$project"/outputs/*/*/best
  refused 2 "no runs with a model in $project/outputs" predict --root "$project/outputs"
  refused 2 "no runs in nowhere (no such folder)" predict --root nowhere --best "${image[0]}"
}

test_runs() {
  runs_to_choose_from
  pushd "$project" >/dev/null
  mkdir -p outputs/2025-12-31/10-00-00
  echo 'a: [1' >outputs/2025-12-31/10-00-00/config.yaml
  run 0 runs
  [[ $(grep -oE '^[1-5]  20[-0-9]+.10[-:]00[-:]00(/0)?' "$scratch/out" | tr '\n' ,) == '1  2025-12-31 10:00:00,2  2026-01-01 10:00:00,3  2026-01-02 10:00:00,4  2026-01-03 10:00:00,5  2026-01-04/10-00-00/0,' ]] ||
    fail "runs: the table is not as expected" "$scratch/out"
  says "$scratch/out" "line 1, column 4: found a list"
  says "$scratch/out" "newest model: outputs/2026-01-03/10-00-00"
  says "$scratch/out" "best model: outputs/2026-01-02/10-00-00"
  run 0 runs --sort accuracy
  [[ $(grep -oE '^[1-5]  ' "$scratch/out" | tr -d ' \n') == 15243 ]] || fail "runs --sort accuracy: expected the best last" "$scratch/out"
  run 0 runs --root outputs/2026-01-02
  [[ $(wc -l <"$scratch/out") == 4 ]] || fail "runs --root: expected one run" "$scratch/out"

  run 0 runs diff 2 3
  says "$scratch/out" "A: outputs/2026-01-01/10-00-00"
  grep -qE '^training.lr +0.001 +0.002$' "$scratch/out" || fail "runs diff: not the setting that differs" "$scratch/out"
  grep -qE '^best_val_acc +0.5 +0.9$' "$scratch/out" || fail "runs diff: not the result that differs" "$scratch/out"
  ! grep -q num_layers "$scratch/out" || fail "runs diff: a setting that does not differ" "$scratch/out"
  mv "$scratch/out" "$scratch/numbers"
  run 0 runs diff outputs/2026-01-01/10-00-00 3
  same "$scratch/out" "$scratch/numbers"
  if command -v python3 >/dev/null; then
    run 0 runs --json
    python3 - "$scratch/out" <<'PYTHON' || fail "runs --json: not the promised array" "$scratch/out"
import json, sys
runs = json.load(open(sys.argv[1]))
assert [r["number"] for r in runs] == [1, 2, 3, 4, 5]
assert [r["best_val_acc"] for r in runs] == [None, 0.5, 0.9, 0.75, None]
assert [r["settings"].get("training.lr") for r in runs] == [None, "0.001", "0.002", "0.003", "0.003"]
assert [r["has_model"] for r in runs] == [False, True, True, True, False] and runs[0]["status"] == "unreadable"
PYTHON
    run 0 runs diff 2 3 --json
    python3 - "$scratch/out" <<'PYTHON' || fail "runs diff --json: not the promised object" "$scratch/out"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["settings"] == {"training.lr": ["0.001", "0.002"]} and d["results"]["best_val_acc"] == [0.5, 0.9], d
PYTHON
  fi
  refused 2 "there is no run 6 in outputs, multirun: it has 5 runs" runs diff 1 6
  refused 1 "nowhere: expected a run's number or folder" runs diff 1 nowhere
  run 2 runs diff 1
  run 2 runs --sort size
  run 2 runs nonsense
  popd >/dev/null

  mkdir -p "$scratch/none/outputs"
  pushd "$scratch/none" >/dev/null
  run 0 runs
  says "$scratch/out" "no runs in outputs, multirun (no such folder)"
  says "$scratch/out" "train data.train="
  run 0 runs --json
  [[ $(cat "$scratch/out") == '[]' ]] || fail "runs --json without runs: expected an empty array" "$scratch/out"
  popd >/dev/null
}

test_bad_settings() {
  digits
  two_classes "$scratch/small"
  local out=$scratch/refused
  # bad MESSAGE ARGUMENT…
  bad() { refused 2 "$1" train "${settings[@]}" data.train="$scratch/small" output.dir="$out" "${@:2}"; }
  bad 'unknown setting "training.epcohs"; did you mean "training.epochs"?' training.epcohs=3
  bad 'unknown setting "lr"; did you mean "training.lr"?' lr=3
  bad 'training.epochs is "three", expected a whole number' training.epochs=three
  bad 'training.epochs is "2.5", expected a whole number' training.epochs=2.5
  bad 'training.lr is "fast", expected a number' training.lr=fast
  bad 'training.lr is "", expected a number' training.lr=
  bad 'data.trivial_augment is "maybe", expected true or false' data.trivial_augment=maybe
  bad 'training.batch_size is "0", expected a whole number from 1' training.batch_size=0
  bad 'model.dropout is "1.5", expected a number, 0 or more and less than 1' model.dropout=1.5
  bad 'model.pooling is "max", expected one of token mean' model.pooling=max
  bad 'expected name=value' epochs
  bad 'image size 9x9 is not divisible by patch_size 2' model.image_size=9
  bad 'embedding_dim 16 is not divisible by num_heads 3' model.num_heads=3
  bad 'model.image_size is "big"' model.image_size=big
  bad 'data.train is not set' data.train=
  absent "$out"
}

test_bad_folders() {
  digits
  local out=$scratch/refused
  # bad MESSAGE FOLDER ARGUMENT…
  bad() { refused 1 "$1" train "${settings[@]}" data.train="$2" output.dir="$out" "${@:3}"; }
  bad "nowhere: not a folder" "$scratch/nowhere"
  bad "0000.png: not a folder" "$scratch/digits/train/0/0000.png"
  mkdir -p "$scratch/empty"
  bad "empty: holds no folders" "$scratch/empty"
  two_classes "$scratch/gap"
  mkdir "$scratch/gap/nothing"
  bad 'class "nothing" holds no images' "$scratch/gap"
  copies 5 0 "$scratch/single/zero"
  bad 'holds only the class "zero", expected at least two' "$scratch/single"
  two_classes "$scratch/fine"
  two_classes "$scratch/more"
  copies 3 2 "$scratch/more/two"
  bad 'class "two" is not among the 2 known classes' "$scratch/fine" data.val="$scratch/more"
  bad "nowhere: not a folder" "$scratch/fine" data.val="$scratch/nowhere"
  absent "$out"

  # An image of which only the beginning is there, or nothing: more than one in a hundred.
  two_classes "$scratch/broken"
  : >"$scratch/broken/one/empty.png"
  refused_training "$scratch/broken" "empty.png"

  if [[ $(id -u) != 0 ]]; then
    two_classes "$scratch/locked"
    chmod 000 "$scratch/locked/one"
    bad "locked/one: cannot be read" "$scratch/locked"
    chmod 700 "$scratch/locked/one"
  elif command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups test -x "$bin/minivit"; then
    two_classes "$scratch/locked"
    chmod 000 "$scratch/locked/one"
    local code=0
    setpriv --reuid=65534 --clear-groups "$bin/minivit" train data.train="$scratch/locked" output.dir="$out" >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == 1 ]] || fail "train on a locked folder: exit code $code, expected 1" "$scratch/err"
    says "$scratch/err" "locked/one: cannot be read"
    absent "$out"
  else
    skip "a folder that cannot be read (root reads everything)"
  fi
}

# refused_training FOLDER TEXT: training ends with 1, and leaves no model.
refused_training() {
  rm -rf "$scratch/stopped"
  run 1 train "${settings[@]}" data.train="$1" output.dir="$scratch/stopped"
  says "$scratch/err" "$2"
  [[ -z $(find "$scratch/stopped" -name '*.safetensors') ]] || fail "train: a model of a training that was refused"
}

test_undecodable() {
  digits
  # One of 121 is fewer than one in a hundred: it is named and left out. Three are too many.
  copies 60 0 "$scratch/photos/zero"
  copies 60 1 "$scratch/photos/one"
  head -c 60 "$scratch/photos/zero/0000.png" >"$scratch/photos/zero/aaa.png"
  tiny data.train="$scratch/photos" data.val="$scratch/photos" output.dir="$scratch/skipping"
  run_folder "$scratch/skipping"
  says "$run_dir/train.log" "zero/aaa.png"
  [[ $(grep -c 'zero/aaa.png' "$scratch/out") -le 2 ]] || fail "train names an image again and again" "$scratch/out"
  echo "not an image" >"$scratch/photos/one/bbb.jpg"
  : >"$scratch/photos/one/ccc.bmp"
  refused_training "$scratch/photos" "samples cannot be read"
  says "$scratch/err" ".png"
}

test_damaged_models() {
  trained
  local image=("$scratch"/pair/zero/*.png) copy=$scratch/copy
  damaged() { rm -rf "$copy" && cp -r "$model" "$copy"; }
  damaged
  head -c 3000 "$model/model.safetensors" >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  refused 1 "copy/model.safetensors" evaluate --model "$copy" "$scratch/pair"
  damaged
  printf '\377\377\377\377\377\377\377\177{}' >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  : >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  rm "$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  damaged
  sed -i 's/"depth": 1/"depth": 2/' "$copy/config.json"
  refused 1 "missing: blocks.1.norm1.weight" predict --model "$copy" "${image[0]}"
  damaged
  sed -i 's/"num_heads": 2/"num_heads": 3/' "$copy/config.json"
  refused 1 "embedding_dim 16 is not divisible by num_heads 3" predict --model "$copy" "${image[0]}"
  damaged
  echo '{"model_args": ' >"$copy/config.json"
  refused 1 "copy/config.json" predict --model "$copy" "${image[0]}"

  # Classes of the folder that the model does not know.
  two_classes "$scratch/unknown"
  copies 3 2 "$scratch/unknown/two"
  refused 1 'class "two" is not among the 2 known classes' evaluate --model "$model" "$scratch/unknown"
}

test_full_disk() {
  trained
  if ! tmpfs "$scratch/full" 2m; then
    skip "a full disk (mounting is not allowed)"
    return
  fi
  # Too large at once: nothing is left but what the run began with.
  run 1 train "${settings[@]}" data.train="$scratch/pair" model.embedding_dim=256 output.dir="$scratch/full"
  says "$scratch/err" "train: "
  says "$scratch/err" "No space left on device"
  run_folder "$scratch/full"
  [[ -z $(find "$run_dir" -name '.*') ]] || fail "a full disk leaves something temporary"
  absent "$run_dir/last"
  absent "$run_dir/best"

  # Full in the middle of a training: the checkpoint stays as it was, and with room again the run goes on to the same end.
  local all=(data.train="$scratch/pair" "${exact[@]}" log.tensorboard=no)
  tiny "${all[@]}" output.dir="$scratch/roomy"
  run_folder "$scratch/roomy"
  local whole=$run_dir before
  rm -rf "$scratch"/full/*
  run 0 train "${settings[@]}" "${all[@]}" --until-epoch 1 output.dir="$scratch/full"
  run_folder "$scratch/full"
  before=$(cat "$run_dir"/last/* | sha256sum)
  dd if=/dev/zero of="$scratch/full/ballast" bs=1k status=none 2>/dev/null || true
  run 1 train --resume "$run_dir"
  says "$scratch/err" "No space left on device"
  [[ $(cat "$run_dir"/last/* | sha256sum) == "$before" ]] || fail "a full disk changed the checkpoint"
  refused 1 "No space left on device" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/full"
  rm "$scratch/full/ballast"
  run 0 train --resume "$run_dir"
  same_run "$whole" "$run_dir"

  # A folder that nobody can write to.
  mount -o remount,ro "$scratch/full"
  refused 1 "Read-only file system" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/full"
  refused 1 "Read-only file system" train --resume "$run_dir"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
}

# Memory that is too small for the batch: the program says so, and what it had saved stays as it was.
test_out_of_memory() {
  digits
  local limit=300000 code=0  # KiB of address space; the batch needs three times as much
  if ! (ulimit -v $limit && "$bin/minivit" train --help) &>"$scratch/out"; then
    skip "out_of_memory: the programs of this build need more address space to start"
    return
  fi
  run 0 train data.train="$scratch/digits/train" data.workers=0 data.hflip=0 model.image_size=8 model.patch_size=1 \
    model.embedding_dim=64 model.num_layers=4 model.num_heads=2 model.mlp_ratio=4 training.epochs=2 training.batch_size=1024 \
    training.seed=7 output.dir="$scratch/big" --until-epoch 1
  run_folder "$scratch/big"
  cp -r "$run_dir/best" "$scratch/best_before"
  (
    ulimit -v $limit
    export OMP_NUM_THREADS=2 MALLOC_ARENA_MAX=1  # with more threads it is the threads that do not fit
    exec "$bin/minivit" train --resume "$run_dir"
  ) >"$scratch/out" 2>"$scratch/err" || code=$?
  [[ $code == 1 ]] || fail "train with too little memory: exit code $code, expected 1" "$scratch/err"
  says "$scratch/err" "out of memory; try a smaller batch"
  diff -r "$scratch/best_before" "$run_dir/best" >"$scratch/out" || fail "best/ is not what it was" "$scratch/out"
  run 0 train --resume "$run_dir"  # and with enough memory it goes on
}

# ---- which of them ---------------------------------------------------------------------------------------------------

if [[ ! -x $bin/minivit ]]; then
  skip "$bin/minivit is not built"
  exit 77  # what ctest takes for skipped
fi
unmount
rm -rf "${scratch:?}"/*
tests=("$@")
if ((${#tests[@]} == 0)); then
  while read -r _ _ name; do
    [[ $name != test_* ]] || tests+=("${name#test_}")
  done < <(declare -F)
fi
for name in "${tests[@]}"; do
  before=$failures
  "test_$name"
  if ((failures == before)); then echo "passed: $name"; else echo "failed: $name" >&2; fi
done
((failures == 0)) || exit 1
