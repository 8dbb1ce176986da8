# Runs made longer, and runs that are done.

test_lengthen() {
  digits
  two_classes "$scratch/pair"
  cd "$scratch"
  local all=(data.train="$scratch/pair" training.ema=0.9 model.dropout=0.1 log.curves=no) whole

  # A constant learning rate: the run that was made longer is the longer run, to the bit.
  tiny "${all[@]}" training.warmup=0 training.min_lr=5e-3 training.epochs=4 output.dir=whole
  run_folder whole
  whole=$run_dir
  tiny "${all[@]}" training.warmup=0 training.min_lr=5e-3 output.dir=constant
  run_folder constant
  sed -i 's/"started": "[^"]*"/"started": "2001-02-03 04:05:06"/' "$run_dir/result.json"
  run 0 train --resume "$run_dir" training.epochs=4
  says "$run_dir/result.json" '"started": "2001-02-03 04:05:06"' # it began when it began
  says "$scratch/out" "training.epochs is now 4, it was 2: the learning rate so far is the same for both"
  same_run "$whole" "$run_dir"
  says "$run_dir/config.yaml" "epochs: 4"
  says "$run_dir/overrides.yaml" "training.epochs=4"
  says "$run_dir/result.json" '"epochs": 4'
  [[ $(grep -c training.epochs "$run_dir/overrides.yaml") == 1 ]] || fail "overrides.yaml" "$run_dir/overrides.yaml"

  # Done: nothing is done again, and what can be done is said.
  cp "$run_dir/result.json" before.json
  run 0 train --resume "$run_dir"
  says "$scratch/out" "all 4 epochs are done; to train longer: minivit train --resume"
  says "$scratch/out" "training.epochs=8"
  same before.json "$run_dir/result.json"

  # A learning rate that has fallen: a new schedule, and it is said. It goes on from there after a stop, too.
  tiny "${all[@]}" output.dir=cosine
  run_folder cosine
  run 0 train --resume "$run_dir" training.epochs=4 --until-epoch 3
  says "$scratch/out" "the learning rate goes on as that of a run of 4 epochs"
  says "$scratch/out" "the result is not that of a run that began with 4"
  run 0 train --resume "$run_dir"
  says "$run_dir/result.json" '"epochs_done": 4'
  [[ $(wc -l <"$run_dir/training_history.csv") == 5 ]] || fail "four epochs make five lines" "$run_dir/training_history.csv"
  ! grep -q "epoch 5 " "$scratch/out" || fail "an epoch behind the last" "$scratch/out"

  # Fewer epochs than are done, other settings: refused, and the run is as it was.
  cp "$run_dir/config.yaml" before.yaml
  refused 2 "training.epochs is 3, the run has done 4; expected more" train --resume "$run_dir" training.epochs=3
  refused 2 "training.lr: a run goes on" train --resume "$run_dir" training.lr=1
  refused 2 "write how many epochs" train --resume "$run_dir" '~training.epochs'
  same before.yaml "$run_dir/config.yaml"

  # The run that began last, by a word.
  sleep 1.1
  tiny "${all[@]}" --until-epoch 1
  run 0 train --resume latest
  run_folder outputs
  says "$run_dir/result.json" '"status": "finished"'
  sleep 1.1
  run 0 train "${settings[@]}" "${all[@]}" -m training.warmup=0
  says "$scratch/out" "1 job in "
  run 0 train --resume latest
  says "$scratch/out" "#0 : "
  says "$scratch/out" "done before"
  refused 2 "no runs in nowhere and nothing" train --resume latest output.dir=nowhere output.multirun=nothing
  run 0 train --resume latest output.dir=cosine output.multirun=nothing
  says "$scratch/out" "all 4 epochs are done"

  # Stopped early, and what to do about it.
  tiny "${all[@]}" training.lr=1e-9 training.patience=1 training.epochs=50 output.dir=patience
  says "$scratch/out" "to go on all the same: minivit train --resume"
}
