# What a training says at its beginning and at its end.
test_first_lines() {
  digits
  local photos=$scratch/photos kind
  mkdir -p "$photos"
  for kind in 3 8; do cp -r "$scratch/digits/train/$kind" "$photos/$kind"; done
  run 0 train data.train="$photos" model.image_size=64 model.patch_size=16 model.embedding_dim=16 model.num_layers=1 \
    model.num_heads=2 training.epochs=1 data.val_fraction=0.02 log.tensorboard=no log.curves=no output.dir="$scratch/first"
  run_folder "$scratch/first"
  local expected
  for expected in 'classes   2: 3 \([0-9]+\), 8 \([0-9]+\)' 'sizes     all 8x8 pixels; [0-9]+ \.png' 'training  1 epoch of [0-9]+ steps of 32 images' \
    'note: the images are 8x8 pixels and are enlarged to 64x64.*model.image_size=16 model.patch_size=4' \
    'note: the validation accuracy is of [0-9] images' '^class  images  right  recall  precision  mostly taken for' \
    'validation images right, .*; always answering "[38]" gives 0\.' '^  minivit predict --run '; do
    grep -qE -- "$expected" "$scratch/out" || fail "train does not say $expected" "$scratch/out"
  done
  ! grep -q 'top-5' "$scratch/out" || fail "train shows the top-5 accuracy of two classes" "$scratch/out"
  ! grep -q ' 0\.0 images/s' "$scratch/out" || fail "train says 0.0 images/s" "$scratch/out"
  [[ $(head -n 1 "$run_dir/per_class.csv") == class,images,right,recall,precision,taken_for,times ]] || fail "per_class.csv has another header" "$run_dir/per_class.csv"
  [[ $(wc -l <"$run_dir/per_class.csv") == 3 ]] || fail "per_class.csv has not a row for each class" "$run_dir/per_class.csv"

  # What was the best in an earlier session is shown by a later one, too.
  run 0 train data.train="$photos" model.image_size=16 model.patch_size=8 model.embedding_dim=16 model.num_layers=1 \
    model.num_heads=2 training.epochs=2 training.lr=0 log.tensorboard=no log.curves=no output.dir="$scratch/second" --until-epoch 1
  run_folder "$scratch/second"
  run 0 train --resume "$run_dir"
  grep -q 'always answering' "$scratch/out" || fail "a resumed run does not show its classes" "$scratch/out"
}
