# Signals that ask a training to save and stop, and those that it was told to ignore.

# stopped_by SIGNAL CODE: a training that gets it saves, says how to go on, and ends with this code.
stopped_by() {
  local signal=$1 expected=$2 code=0 pid i
  env --default-signal=INT,HUP "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" training.epochs=100000 \
    training.save_seconds=1000 log.curves=no output.dir="$scratch/$signal" &>"$scratch/log" & pid=$!
  for ((i = 0; i < 100; ++i)); do
    if compgen -G "$scratch/$signal/*/*/last" >/dev/null; then break; fi
    sleep 0.1
  done
  kill "-$signal" $pid
  [[ $signal != HUP ]] || kill "-$signal" $pid  # shells send it a second time
  wait $pid || code=$?
  [[ $code == "$expected" ]] || fail "train stopped by $signal: exit code $code, expected $expected" "$scratch/log"
  says "$scratch/log" "to go on: minivit train --resume $scratch/$signal"
  run_folder "$scratch/$signal"
  says "$run_dir/result.json" '"status": "interrupted"'
}

test_signals() {
  trained
  stopped_by HUP 129
  stopped_by XCPU 152

  # Whoever reads it has gone: the training is saved, not killed.
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" training.epochs=100000 training.save_seconds=1000 \
    log.curves=no output.dir="$scratch/read" 2>"$scratch/err" | head -n 3 >/dev/null || true
  run_folder "$scratch/read"
  says "$run_dir/result.json" '"status": "interrupted"'
  exists "$run_dir/last/training_state.safetensors"

  # As nohup and shells have it: what was ignored at the start stays so.
  local pid code=0
  (
    trap '' HUP INT
    exec "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" training.epochs=60 log.curves=no output.dir="$scratch/ignored"
  ) &>"$scratch/log" & pid=$!
  sleep 0.3
  kill -HUP $pid
  kill -INT $pid
  kill -INT $pid
  wait $pid || code=$?
  [[ $code == 0 ]] || fail "train with ignored signals: exit code $code" "$scratch/log"
  run_folder "$scratch/ignored"
  says "$run_dir/result.json" '"status": "finished"'
}
