# A sweep whose own process is killed: its job ends with it, and the sweep goes on at once as if nothing had been.

# children_of PID: the processes that it has started.
children_of() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; }

test_sweep_killed() {
  trained
  [[ -e /proc/self/task/$$/children ]] || { skip "no list of children in /proc"; return; }
  local all=(data.train="$scratch/pair" log.tensorboard=no log.curves=no model.image_size=8 model.patch_size=2 model.embedding_dim=16
    model.num_heads=2 model.mlp_ratio=2 model.num_layers=1 training.save_seconds=0.05)
  local pid job child i sweep
  GOMP_SPINCOUNT=1000 "$bin/minivit" train "${all[@]}" -m training.epochs=40 training.lr=1e-9,0.005,0.003 --halving 0.5 \
    output.multirun="$scratch/killed" &>"$scratch/log" & pid=$!
  for ((i = 0; i < 200; ++i)); do
    child=$(children_of $pid)
    if [[ -n $child ]] && compgen -G "$scratch/killed/*/*/0/last/model.safetensors" >/dev/null; then break; fi
    sleep 0.05
  done
  job=${child%% *}
  [[ -n $job ]] || { fail "the sweep has no job" "$scratch/log"; return; }
  kill -KILL $pid
  wait $pid 2>/dev/null || true
  sweep=("$scratch"/killed/*/*)
  # At once: the job may still be there.
  run 0 train --resume "$sweep"
  # One that has ended and waits for the system to take note of it (Z) does not count.
  ! grep -qE '^State:\s+[^ZX]' "/proc/$job/status" 2>/dev/null || fail "the job has outlived its sweep"
  [[ $(grep -c ',halved,' "$sweep/summary.csv") == 1 && $(grep -c ',finished,' "$sweep/summary.csv") == 2 ]] ||
    fail "halving after a kill: not what was expected" "$sweep/summary.csv"
  grep -q '^0,halved' "$sweep/summary.csv" || fail "the job that learns nothing is not the one that stopped" "$sweep/summary.csv"
  ! grep -q "exit code" "$scratch/err" || fail "a job was reported as failed" "$scratch/err"

  # A run in other hands: the sweep waits for it.
  "$bin/minivit" train "${all[@]}" -m training.lr=0.005,0.003 training.epochs=40 output.multirun="$scratch/waited" &>"$scratch/log" & pid=$!
  for ((i = 0; i < 200; ++i)); do
    if compgen -G "$scratch/waited/*/*/0/last/model.safetensors" >/dev/null; then break; fi
    sleep 0.05
  done
  kill -TERM $pid
  wait $pid 2>/dev/null || true
  sweep=("$scratch"/waited/*/*)
  "$bin/minivit" train --resume "$sweep/0" &>"$scratch/log" & pid=$!
  for ((i = 0; i < 200; ++i)); do
    if grep -q "goes on" "$scratch/log"; then break; fi
    sleep 0.02
  done
  run 0 train --resume "$sweep"
  wait $pid || fail "a job that was resumed by itself" "$scratch/log"
  [[ $(grep -c ',finished,' "$sweep/summary.csv") == 2 ]] || fail "a sweep beside one of its jobs" "$sweep/summary.csv"
}
