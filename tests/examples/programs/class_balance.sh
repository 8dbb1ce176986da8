# Classes of different sizes: weights in the loss, a sampler; the same bits for any number of workers and after a stop.

test_class_balance() {
  digits
  copies 60 0 "$scratch/unequal/large"
  copies 6 1 "$scratch/unequal/small"
  copies 20 2 "$scratch/unequal/medium"
  local all=(data.train="$scratch/unequal" data.sampler=balanced training.class_weights=balanced data.hflip=0.5
    data.scale_min=0.5 training.batch_size=8 training.epochs=3 training.save_seconds=0 log.curves=no) whole file
  tiny "${all[@]}" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  whole=$run_dir
  tiny "${all[@]}" data.workers=0 output.dir="$scratch/workers0"
  run_folder "$scratch/workers0"
  same_run "$whole" "$run_dir"
  tiny "${all[@]}" data.workers=4 output.dir="$scratch/workers4"
  run_folder "$scratch/workers4"
  same_run "$whole" "$run_dir"

  # Stopped within an epoch.
  tiny "${all[@]}" training.time_limit=0.001 output.dir="$scratch/cut"
  run_folder "$scratch/cut"
  run 0 train --resume "$run_dir" training.time_limit=0
  same_run "$whole" "$run_dir"

  # Each of the two makes a difference.
  local setting
  for setting in data.sampler=shuffle training.class_weights=none "training.class_weights=1 2 0.5"; do
    tiny "${all[@]}" "$setting" output.dir="$scratch/other"
    run_folder "$scratch/other"
    ! cmp -s "$whole/last/model.safetensors" "$run_dir/last/model.safetensors" || fail "$setting makes no difference"
    rm -r "$scratch/other"
  done
  run 2 train "${settings[@]}" "${all[@]}" "training.class_weights=1 2" output.dir="$scratch/none"
  says "$scratch/err" "training.class_weights has 2 weights, there are 3 classes: large, medium, small"
  refused 2 '"-1" is no weight' train "${settings[@]}" "${all[@]}" "training.class_weights=1 -1 1" output.dir="$scratch/none"
  refused 2 '"0" is no weight' train "${settings[@]}" "${all[@]}" "training.class_weights=1 0 1" output.dir="$scratch/none"
  refused 2 "did you mean balanced" train "${settings[@]}" "${all[@]}" "data.sampler=oversample" output.dir="$scratch/none"
  absent "$scratch/none"
}
