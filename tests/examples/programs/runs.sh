# The table of runs.

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
  [[ $(wc -l <"$scratch/out") == 5 ]] || fail "runs --root: expected one run" "$scratch/out"

  run 0 runs diff 2 3
  says "$scratch/out" "A: outputs/2026-01-01/10-00-00"
  grep -qE '^training.lr +0.001 +0.002$' "$scratch/out" || fail "runs diff: not the setting that differs" "$scratch/out"
  grep -qE '^best_val_acc +0.5 +0.9$' "$scratch/out" || fail "runs diff: not the result that differs" "$scratch/out"
  ! grep -q num_layers "$scratch/out" || fail "runs diff: a setting that does not differ" "$scratch/out"
  ! grep -qE '^(date|started|ended) ' "$scratch/out" || fail "runs diff: times, which always differ" "$scratch/out"
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
  # A setting that an older version did not have has its default there.
  cp outputs/2026-01-01/10-00-00/config.yaml "$scratch/complete"
  sed -i '/^  clip_norm:/d' outputs/2026-01-01/10-00-00/config.yaml
  run 0 runs diff 2 3
  same "$scratch/out" "$scratch/numbers"
  mv "$scratch/complete" outputs/2026-01-01/10-00-00/config.yaml
  # Filters that fit nothing say what there is.
  run 0 runs --status done
  says "$scratch/out" "none of the 5 runs in outputs, multirun is of this kind; their status is "
  says "$scratch/out" " or unreadable"
  refused 2 'unknown setting "lr"; did you mean "training.lr"?' runs --where lr=0.001
  run 0 runs --where training.lr=0.001
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
