# Output that nobody gets: a full device, a closed descriptor, a pipe without a reader, a limit on file sizes.

# lost TEXT SUBCOMMAND ARGUMENT…: run with standard output as $lost_to says; it ends with 1, names itself and says this.
lost() {
  local text=$1 code=0
  shift
  case $lost_to in
    full) "$bin/minivit" "$@" >/dev/full 2>"$scratch/err" </dev/null || code=$? ;;
    closed) "$bin/minivit" "$@" >&- 2>"$scratch/err" </dev/null || code=$? ;;
    pipe) (
      trap '' PIPE  # otherwise the signal ends it, as it ends all whose output goes to head
      "$bin/minivit" "$@" 2>"$scratch/err" </dev/null || echo $? >"$scratch/code"
    ) | true; code=$(cat "$scratch/code" 2>/dev/null || echo 0); rm -f "$scratch/code" ;;
  esac
  [[ $code == 1 ]] || fail "$*, output $lost_to: exit code $code, expected 1" "$scratch/err"
  local name=minivit
  [[ $1 == --* ]] || name="minivit $1"
  says "$scratch/err" "$name: cannot write to standard output"
  says "$scratch/err" "$text"
}

test_lost_output() {
  trained
  local image=("$scratch"/pair/zero/*.png) lost_to text
  declare -A words=([full]="No space left on device" [closed]="Bad file descriptor" [pipe]="Broken pipe")
  for lost_to in full closed; do
    text=${words[$lost_to]}
    lost "$text" --version
    lost "$text" --help
    lost "$text" predict --help
    lost "$text" --completion bash
    lost "$text" predict --model "$model" "${image[0]}"
    lost "$text" predict --model "$model" --json "$scratch/pair"
    lost "$text" evaluate --model "$model" "$scratch/pair"
    lost "$text" runs --root "$scratch/trained"
    lost "$text" runs --root "$scratch/trained" --json
    lost "$text" inspect "$model"
    lost "$text" embed --model "$model" --out "$scratch/lost.csv" "${image[0]}"
    lost "$text" probe --model "$model" --train "$scratch/pair" --knn 5
    lost "$text" export --model "$model" --to timm --out "$scratch/lost-model"
    lost "$text" digits "$data/digits.png" "$data/digits.labels.txt" "$scratch/lost-digits"
    lost "$text" train --cfg data.train=photos
    lost "$text" train --settings
  done
  # A pipe breaks when its reader has ended, a moment after the start.
  lost_to=pipe
  lost "Broken pipe" embed --model "$model" --out "$scratch/lost.csv" "$scratch/pair"

  # A training goes on all the same; what it said is in its log.
  lost_to=full
  lost "" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/silent"
  run_folder "$scratch/silent"
  says "$run_dir/result.json" '"status": "finished"'
  says "$run_dir/train.log" "run folder:"

  # What ended before is what counts.
  run 2 predict --nonsense >/dev/full

  # Standard streams that are closed at the start: no file gets what they would have said.
  local code=0
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/closed" <&- >&- 2>&- || code=$?
  [[ $code == 1 ]] || fail "train with closed streams: exit code $code, expected 1"
  run_folder "$scratch/closed"
  says "$run_dir/result.json" '"status": "finished"'
  run_folder "$scratch/silent"
  local silent=$run_dir
  run_folder "$scratch/closed"
  cmp -s <(cut -d, -f1-7 "$silent/training_history.csv") <(cut -d, -f1-7 "$run_dir/training_history.csv") ||
    fail "training_history.csv with closed streams" "$run_dir/training_history.csv"
}
