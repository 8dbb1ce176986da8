# Settings of a recipe, one by one: each changes what is learned, goes on to the same bits, and is refused where it makes no sense.

test_recipe_settings() {
  trained
  local pair=$scratch/pair teacher=$trained_run setting name
  tiny data.train="$pair" output.dir="$scratch/plain"
  run_folder "$scratch/plain"
  local plain=$run_dir
  for setting in training.restarts=1 training.sam=0.05 training.loss=binary "training.teacher=$teacher" \
    "training.teacher=$teacher training.teacher_targets=hard training.teacher_share=0.9" training.optimizer=lamb \
    training.optimizer=muon model.init=mimetic "model.stem=conv model.pooling=sequence model.class_token=no" \
    "model.stem=shifted model.attention=locality" data.repeats=2 \
    data.augment=three data.color_jitter=0.4 "data.hflip=0.5 data.flip=alternating" training.epoch_images=24 \
    training.image_sizes=4:0.5 training.patch_sizes=4:0.5 training.patch_dropout=0.3 \
    "training.teacher=$teacher model.distillation=head"; do
    name=${setting//[^a-z0-9]/_}
    read -ra words <<<"$setting"
    tiny data.train="$pair" output.dir="$scratch/whole$name" "${words[@]}"
    run_folder "$scratch/whole$name"
    local whole=$run_dir
    ! cmp -s "$plain/last/model.safetensors" "$whole/last/model.safetensors" || fail "$setting changes nothing"
    tiny data.train="$pair" output.dir="$scratch/cut$name" "${words[@]}" --until-epoch 1
    run_folder "$scratch/cut$name"
    OMP_NUM_THREADS=1 MINIVIT_THREADS=1 run 0 train --resume "$run_dir"
    same "$whole/last/model.safetensors" "$run_dir/last/model.safetensors"
  done
  refused 2 "expected less than 1" train "${settings[@]}" data.train="$pair" training.image_sizes=4:1
  refused 2 "training.image_sizes: image size 5x5 is not divisible" train "${settings[@]}" data.train="$pair" training.image_sizes=5:0.5
  refused 2 "needs model.stem=patch" train "${settings[@]}" data.train="$pair" training.patch_sizes=4:0.5 model.stem=conv
  # Cross-validation: a training for each part, and what they have in common.
  run 0 train "${settings[@]}" data.train="$pair" training.folds=3 output.multirun="$scratch/folds"
  local jobs=("$scratch"/folds/*/*/[0-9])
  ((${#jobs[@]} == 3)) || fail "3 folds have ${#jobs[@]} jobs"
  grep -qE '^validation accuracy 0\.[0-9]{4} ± 0\.[0-9]{4} in 3 trainings$|^validation accuracy 1\.0000 ± 0\.0000 in 3 trainings$' "$scratch/out" ||
    fail "no mean of the parts" "$scratch/out"
  tiny data.train="$pair" training.folds=3 training.fold=1 output.dir="$scratch/one"
  refused 2 "leave out data.val" train "${settings[@]}" data.train="$pair" data.val="$pair" training.folds=3
  refused 2 "training.fold 3" train "${settings[@]}" data.train="$pair" training.folds=3 training.fold=3
  refused 2 "needs training.accumulate=1" train "${settings[@]}" data.train="$pair" training.sam=0.1 training.accumulate=2
  refused 2 "teacher: it does not know the class" train "${settings[@]}" data.train="$scratch/digits/train" training.teacher="$teacher" \
    output.dir="$scratch/no_teacher"
  absent "$scratch/no_teacher"
  # The mean of an image and its mirror image.
  run 0 evaluate --run "$teacher" "$pair"
  cp "$scratch/out" "$scratch/upright"
  run 0 evaluate --run "$teacher" --flip "$pair"
  ! cmp -s "$scratch/out" "$scratch/upright" || fail "evaluate --flip changes nothing" "$scratch/out"
  run 0 predict --run "$teacher" --flip "$pair/zero"
  tiny data.train="$pair" data.test="$pair" data.test_flip=yes output.dir="$scratch/flipped"
  says "$scratch/out" "test of the best model: accuracy"
}
