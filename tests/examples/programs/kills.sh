# What kills and failing writes leave behind.

test_kills() {
  trained
  local n code names rows image=("$scratch"/pair/zero/*.png)
  # Temporaries of dead processes are removed at the next start.
  code=0
  with_faults "renameat2:KILL:1:*/killed/*" "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/killed" &>/dev/null || code=$?
  [[ $code == 137 && -n $(find "$scratch/killed" -name '.new*') ]] || fail "nothing was killed: this tests nothing"
  tiny data.train="$scratch/pair" output.dir="$scratch/killed"
  [[ -z $(find "$scratch/killed" -name '.*') ]] || fail "left: $(find "$scratch/killed" -name '.*')"
  run_folder "$scratch/killed"
  mkdir "$run_dir/.best.minivit-1-1.tmp"
  echo half >"$run_dir/.best.minivit-1-1.tmp/model.safetensors"
  run 0 train --resume "$run_dir"
  [[ -z $(find "$run_dir" -name '.*') ]] || fail "left: $(find "$run_dir" -name '.*')"

  # embed: whenever it is killed, there are no names of another matrix.
  for ((n = 1; n < 20; ++n)); do
    rm -rf "$scratch/e"
    mkdir "$scratch/e"
    run 0 embed --model "$model" --out "$scratch/e/f.npy" "$scratch/pair"
    code=0
    with_faults "rename:KILL:$n:*/e/*" "$bin/minivit" embed --model "$model" --out "$scratch/e/f.npy" "${image[@]:0:7}" &>/dev/null || code=$?
    [[ $code != 0 ]] || break
    rows=$((($(stat -c %s "$scratch/e/f.npy") - 128) / 64))
    names=0
    [[ ! -e $scratch/e/f.txt ]] || names=$(wc -l <"$scratch/e/f.txt")
    [[ $names == 0 || $names == "$rows" ]] || fail "embed killed at rename $n: $rows rows and $names names"
    run 0 embed --model "$model" --out "$scratch/e/f.npy" "${image[@]:0:5}"
    [[ $(wc -l <"$scratch/e/f.txt") == 5 ]] || fail "embed after a kill at rename $n: not the names"
    [[ $(ls -A "$scratch/e" | tr '\n' ' ') == "f.npy f.txt " ]] || fail "embed left $(ls -A "$scratch/e")"
  done
  ((n > 2)) || fail "embed is not killed: this tests nothing"

  # The last word about a run cannot be written: said, and not 0.
  with_faults "rename:ENOSPC:4+:*/result.json" refused_late 1 "No space left on device" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/unsaid"
  run_folder "$scratch/unsaid"
  says "$run_dir/train.log" "run folder:"
}

# refused_late: as refused, but for a training, which has said something before.
refused_late() {
  run "$1" "${@:3}"
  says "$scratch/err" "$2"
  says "$scratch/err" "minivit $3: "
}
