# Runs that the system does not let be read, and folders that a kill left between two renames: never another answer without a word.

test_out_of_reach() {
  runs_to_choose_from
  pushd "$project" >/dev/null
  local newest=outputs/2026-01-03 lockless='flock:ENOLCK:+:*' code images image
  images=("$scratch"/digits/test/*/*.png)
  image=${images[0]}

  with_faults "open:EIO:+:*$newest" run 1 runs
  says "$scratch/err" "minivit runs: cannot read $newest: Input/output error"
  says "$scratch/out" "2026-01-01"
  with_faults "open:EIO:+:*$newest" run 1 runs --json
  says "$scratch/out" '"status": "unreadable"'
  with_faults "open:EIO:+:*outputs" run 1 runs
  # No other run takes the place of the one that was asked for.
  local how
  for how in --latest --best; do with_faults "open:EIO:+:*$newest" refused 1 "cannot read $newest" predict "$how" "$image"; done
  with_faults "open:EIO:+:*$newest" refused 1 "name runs by their folders" runs diff 1 2
  with_faults "open:EIO:+:*outputs/2026-01-02/10-00-00/result.json" refused 1 "result.json" predict --best "$image"
  with_faults "open:EIO:+:*outputs/2026-01-02/10-00-00/result.json" run 1 runs

  # An export says what could not be read, and has no card without results.
  local run=outputs/2026-01-02/10-00-00
  with_faults "open:EIO:+:*/result.json" refused 1 "result.json" export --model $run/best --to timm --out "$scratch/card"
  absent "$scratch/card"
  run 0 export --model $run/best --to timm --out "$scratch/card"
  with_faults "open:EIO:+:*/README.md" refused 1 "README.md: Input/output error" export --model $run/best --to timm --out "$scratch/card"
  with_faults "open:EIO:+:*/card" refused 1 "cannot read $scratch/card" export --model $run/best --to timm --out "$scratch/card"

  # Without locks, what says who has a run does not go with it into the bin.
  with_faults "$lockless" run 0 runs delete $run
  exists outputs/.bin/2026-01-02/10-00-00/config.yaml
  absent outputs/.bin/2026-01-02/10-00-00/.minivit-lock
  popd >/dev/null

  # Killed where a file system cannot exchange two folders: after the last/ of before is put aside, before the new one takes its place.
  local all=(data.train="$scratch/digits/train" training.epochs=4 log.curves=no)
  tiny "${all[@]}" output.dir="$scratch/undisturbed"
  run_folder "$scratch/undisturbed"
  local whole=$run_dir
  local n
  for n in 2 3 4 5 6 7 8 9; do
    rm -rf "$scratch/between"
    code=0
    with_faults "renameat2:EINVAL:+:*;rename:KILL:$n:*/last" "$bin/minivit" train "${settings[@]}" "${all[@]}" output.dir="$scratch/between" &>"$scratch/log" || code=$?
    [[ $code == 137 ]] || fail "train: not killed, exit code $code" "$scratch/log"
    run_folder "$scratch/between"
    if [[ ! -e $run_dir/last ]] && compgen -G "$run_dir/.last*" >/dev/null; then break; fi
  done
  absent "$run_dir/last"
  run 0 train --resume "$run_dir"
  same "$run_dir/last/model.safetensors" "$whole/last/model.safetensors"
  [[ -z $(find "$run_dir" -name '.*' ! -name '.') ]] || fail "train --resume: something hidden is left" <(find "$run_dir" -name '.*')

  # Killed while the curves are drawn: the end is made up for.
  command -v gnuplot >/dev/null || { skip "curves: gnuplot is missing"; return; }
  code=0
  with_faults 'rename:KILL:1:*/training_curves.png' "$bin/minivit" train "${settings[@]}" "${all[@]}" log.curves=yes output.dir="$scratch/curves" &>"$scratch/log" || code=$?
  [[ $code == 137 ]] || fail "train: not killed, exit code $code" "$scratch/log"
  run_folder "$scratch/curves"
  absent "$run_dir/training_curves.png"
  run 0 train --resume "$run_dir"
  exists "$run_dir/training_curves.png" "$run_dir/training_curves.svg"
  says "$run_dir/result.json" '"status": "finished"'
  [[ -z $(find "$run_dir" -name '.*' ! -name '.') ]] || fail "train --resume: something hidden is left" <(find "$run_dir" -name '.*')
}
