# Runs that are left out of the list, and runs that are moved to the bin.

test_runs_bin() {
  runs_to_choose_from
  pushd "$project" >/dev/null
  run 0 runs --limit 2
  [[ $(grep -oE '^[1-9]  2026' "$scratch/out" | tr '\n' ,) == '3  2026,4  2026,' ]] || fail "runs --limit: not the newest two" "$scratch/out"
  says "$scratch/out" "2 of 4 runs"
  run 0 runs --status finished --where training.lr=1e-3
  [[ $(grep -cE '^[1-9]  2026' "$scratch/out") == 1 ]] || fail "runs --where: expected one run" "$scratch/out"
  run 0 runs --data nowhere
  says "$scratch/out" "none of the 4 runs in outputs, multirun is of this kind"
  refused 2 "--where is lr, expected a setting and its value" runs --where lr
  run 0 runs --json --limit 1
  says "$scratch/out" '"number": 4'
  # Cut to the terminal, where there is a program that makes one.
  if command -v script >/dev/null; then
    run 0 runs
    awk 'length > 40 { long = 1 } END { exit !long }' "$scratch/out" || fail "runs: cut although there is no terminal"
    script -qec "stty cols 40; $bin/minivit runs" /dev/null </dev/null | tr -d '\r' | grep -E '^([1-9]|data)' >"$scratch/narrow"
    [[ $(wc -l <"$scratch/narrow") -ge 5 ]] || fail "runs on a terminal: no table" "$scratch/narrow"
    while IFS= read -r line; do
      ((${#line} <= 42)) || fail "runs: a line wider than the terminal: $line"  # the ellipsis has three bytes
    done <"$scratch/narrow"
  fi

  run 0 runs delete 1 outputs/2026-01-02/10-00-00
  says "$scratch/out" "outputs/2026-01-01/10-00-00 is now $project/outputs/.bin/2026-01-01/10-00-00"
  absent outputs/2026-01-01/10-00-00
  exists outputs/.bin/2026-01-01/10-00-00/best/model.safetensors outputs/.bin/2026-01-02/10-00-00/config.yaml
  run 0 runs
  [[ $(grep -cE '^[1-9]  2026' "$scratch/out") == 2 ]] || fail "runs: what is in the bin is listed" "$scratch/out"
  # The same name again; back again.
  mv outputs/.bin/2026-01-02/10-00-00 outputs/2026-01-02/
  cp -r outputs/2026-01-02/10-00-00 outputs/.bin/2026-01-02/10-00-00
  run 0 runs delete outputs/2026-01-02/10-00-00
  exists outputs/.bin/2026-01-02/10-00-00_2/config.yaml
  refused 2 "there is no run 9" runs delete 1 9
  refused 1 "expected a run's number or folder" runs delete outputs
  exists outputs/2026-01-03/10-00-00/config.yaml
  run 2 runs delete
  # A whole sweep; not while one of its jobs is trained.
  echo 'sweep: {jobs: 1}' >multirun/2026-01-04/10-00-00/sweep.yaml
  if command -v flock >/dev/null; then
    code=0
    flock multirun/2026-01-04/10-00-00/0 "$bin/minivit" runs delete multirun/2026-01-04/10-00-00 >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == 1 ]] || fail "runs delete: a run that is being trained" "$scratch/out"
    exists multirun/2026-01-04/10-00-00/0/config.yaml
  fi
  run 0 runs delete multirun/2026-01-04/10-00-00
  exists multirun/.bin/2026-01-04/10-00-00/0/config.yaml
  popd >/dev/null
}
