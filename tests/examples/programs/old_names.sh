# Spellings of before, in files and on the command line: read, with a line that says the new one.

test_old_names() {
  trained
  run 0 train --cfg --config-name seed data.train=photos training.checkpoint=true model.preset=seed
  says "$scratch/out" "recompute: true"
  says "$scratch/out" "preset: mini"
  says "$scratch/err" "minivit train: --config-name seed is now called --config-name mini"
  says "$scratch/err" "minivit train: training.checkpoint is now called training.recompute"
  says "$scratch/err" "minivit train: model.preset=seed is now called model.preset=mini"
  [[ $(wc -l <"$scratch/err") == 3 ]] || fail "old names: expected three lines" "$scratch/err"
  # A run folder as it was written then.
  tiny data.train="$scratch/pair" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  local whole=$run_dir
  tiny data.train="$scratch/pair" output.dir="$scratch/old" --until-epoch 1
  run_folder "$scratch/old"
  sed -i 's/^  recompute: /  checkpoint: /; s/^  preset: mini/  preset: seed/' "$run_dir/config.yaml"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
  ! grep -v '^minivit predict: model: ' "$scratch/err" || fail "predict with an old run: more than the model on standard error" "$scratch/err"
  run 0 runs diff "$whole" "$run_dir"
  says "$scratch/out" "settings: no difference"
  run 0 train --resume "$run_dir"
  says "$scratch/err" "training.checkpoint is now called training.recompute"
  [[ $(wc -l <"$scratch/err") == 2 ]] || fail "an old run: expected a line for each of two names" "$scratch/err"
  same_run "$whole" "$run_dir"
}
