# A training that goes on after a stop, to the same bits.

# Everything that can make a difference to a run that goes on.
exact=(model.dropout=0.1 model.attention_dropout=0.1 model.drop_path=0.1 training.ema=0.9 training.accumulate=2
  data.trivial_augment=yes data.hflip=0.5 data.erase=0.25 training.mixup=0.8 training.cutmix=1 training.mix_off_epoch=20
  training.epochs=25 training.save_seconds=0.02)

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
    env --default-signal=INT "$bin/minivit" train "${settings[@]}" "${all[@]}" training.epochs=100 output.dir="$scratch/$signal" &>"$scratch/log" & pid=$!
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
