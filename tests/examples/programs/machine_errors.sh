# Errors of the machine while images are read: none of them makes an image a bad one, or the weights others.

test_machine_errors() {
  digits
  two_classes "$scratch/photos"
  local all=(data.train="$scratch/photos" data.cache_mb=0 training.save_seconds=0 log.tensorboard=no log.curves=no) error call
  local victim=$scratch/photos/one/$(ls "$scratch/photos/one" | sed -n 7p)
  tiny "${all[@]}" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  local whole=$run_dir

  # At the look before the training: named, and no run folder is made.
  for error in EIO EMFILE ENOMEM; do
    with_faults "open:$error:+:$victim" run 1 train "${settings[@]}" "${all[@]}" output.dir="$scratch/none"
    says "$scratch/err" "$victim: "
    absent "$scratch/none"
  done
  with_faults "open:EIO:+:$scratch/photos/one" run 1 train "${settings[@]}" "${all[@]}" output.dir="$scratch/none"
  says "$scratch/err" "photos/one: cannot be read: Input/output error"
  absent "$scratch/none"

  # In the middle of it: named; what was saved is whole, and the run goes on to the same bits.
  for call in open read; do
    for error in EIO ENOSPC ENOMEM EMFILE; do
      rm -rf "$scratch/cut"
      # The scan and the first epoch pass; of the calls for one image one or more are made each time.
      with_faults "$call:$error:4+:$victim" run 1 train "${settings[@]}" "${all[@]}" training.epochs=6 output.dir="$scratch/cut"
      says "$scratch/err" "cannot read $victim: "
      ! grep -q skipped "$scratch/err" || fail "$call: $error: an image was skipped" "$scratch/err"
      run_folder "$scratch/cut"
      says "$run_dir/result.json" '"status": "failed"'
      run 0 evaluate --model "$run_dir/last" "$scratch/photos"
    done
  done
  tiny "${all[@]}" training.epochs=6 output.dir="$scratch/six"
  run 0 train --resume "$run_dir"
  local cut=$run_dir
  run_folder "$scratch/six"
  same_run "$run_dir" "$cut"

  # In the validation, too.
  rm -rf "$scratch/cut"
  mkdir "$scratch/val"
  cp -r "$scratch/photos/." "$scratch/val"
  with_faults "open:EIO:2+:$scratch/val/one/${victim##*/}" run 1 train "${settings[@]}" "${all[@]}" data.val="$scratch/val" output.dir="$scratch/cut"
  says "$scratch/err" "cannot read $scratch/val/one/${victim##*/}: Input/output error"

  # Predictions of the others are made; tables of features are not written with a row missing.
  with_faults "open:EIO:+:$victim" run 1 predict --model "$whole/best" --json "$scratch/photos"
  says "$scratch/err" "$victim: Input/output error"
  with_faults "open:EIO:+:$victim" run 1 embed --model "$whole/best" --out "$scratch/f.csv" "$scratch/photos"
  says "$scratch/err" "$victim: Input/output error"
  absent "$scratch/f.csv"
}
