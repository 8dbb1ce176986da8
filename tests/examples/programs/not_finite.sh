# A training whose loss is not finite.

test_not_finite() {
  trained
  run 3 train "${settings[@]}" data.train="$scratch/pair" training.lr=1000 training.clip_norm=0 training.epochs=50 \
    output.dir="$scratch/nan"
  grep -qE '^step [0-9]+: .* elements that are not finite' "$scratch/err" || fail "train: the tensor is not named" "$scratch/err"
  run_folder "$scratch/nan"
  says "$run_dir/result.json" '"status": "not finite"'
}
