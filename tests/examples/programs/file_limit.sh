# A limit on the size of files (ulimit -f): an error as on a full disk, no signal.

# limited BLOCKS SUBCOMMAND ARGUMENT…: with files of at most so many KiB it ends with 1 and a message. The streams go to pipes.
limited() {
  local blocks=$1 code
  shift
  code=$( (
    ulimit -f "$blocks"
    exec "$bin/minivit" "$@" 2>&1 >&3 </dev/null
  ) 3> >(cat >"$scratch/out") | cat >"$scratch/err"; echo "${PIPESTATUS[0]}")
  [[ $code == 1 ]] || fail "$*, ulimit -f $blocks: exit code $code, expected 1" "$scratch/err"
  says "$scratch/err" "minivit $1: "
  says "$scratch/err" "File too large"
}

test_file_limit() {
  trained
  local image=("$scratch"/pair/zero/*.png)
  limited 4 embed --model "$model" --out "$scratch/small.csv" "$scratch/pair"
  absent "$scratch/small.csv"
  limited 4 embed --model "$model" --out "$scratch/small.npy" "$scratch/pair" "$scratch/pair" "$scratch/pair"
  absent "$scratch/small.npy"
  absent "$scratch/small.txt"
  limited 4 export --model "$model" --to timm --out "$scratch/small-model"
  absent "$scratch/small-model"
  limited 4 train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/small"
  [[ -z $(find "$scratch" -name '.*.tmp') ]] || fail "a limit on file sizes leaves something temporary"
  local code=0
  (
    ulimit -f 4
    exec "$bin/minivit" predict --model "$model" --json "$scratch/pair" >"$scratch/small.json" 2> >(cat >"$scratch/err")
  ) || code=$?
  [[ $code == 1 ]] || fail "predict --json > file, ulimit -f 4: exit code $code, expected 1"
}
