# shellcheck shell=bash
# The words that the tests of the programs are written with; programs.sh reads it before them.

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
    sed -i "s/training.lr=[^\"]*/training.lr=0.00$day/" "$run/overrides.yaml"
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
unmount() { umount "$scratch/overlay" "$scratch/full" 2>/dev/null || true; }
trap unmount EXIT

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

# same_run A B: two run folders, of a training or a pretraining, hold the same, but for times (the last two columns of a history).
same_run() {
  local file columns
  for file in {best,last}/{model.safetensors,config.json,preprocessor_config.json} learning_rates_per_step.csv class_mapping.json \
    reconstructions.png; do
    [[ ! -e $1/$file && ! -e $2/$file ]] || same "$1/$file" "$2/$file"
  done
  exists "$1"/{best,last}/model.safetensors
  columns=$(head -n 1 "$1/training_history.csv" | tr -cd , | wc -c)
  cut -d, "-f1-$((columns - 1))" "$1/training_history.csv" | cmp -s - <(cut -d, "-f1-$((columns - 1))" "$2/training_history.csv") ||
    fail "$1 and $2 have other histories" "$2/training_history.csv"
  if command -v python3 >/dev/null; then
    [[ $(state_of "$1/last") == "$(state_of "$2/last")" ]] || fail "$1 and $2 have other states"
  fi
}

# with_faults RULES COMMAND…: the command where system calls fail as these rules say, see tests/support/faults.cpp.
with_faults() {
  local library=$scratch/faults.so
  if [[ ! -e $library ]]; then
    "${CXX:-c++}" -std=c++20 -O1 -shared -fPIC "$here/../support/faults.cpp" -o "$library.new" -ldl && mv "$library.new" "$library" ||
      fail "the library that lets system calls fail cannot be built"
  fi
  ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$library MINIVIT_FAULTS=$1 "${@:2}"
}
