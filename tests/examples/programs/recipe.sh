# A training of which nothing but the images and the time is given.

test_recipe() {
  digits
  local data=$scratch/digits
  # What would be chosen, with reasons; nothing is trained.
  run 0 train data.train="$data/train" --explain output.dir="$scratch/none"
  says "$scratch/out" "chosen for 30m on this machine"
  says "$scratch/out" "model.image_size=8                 the images are 8x8"
  says "$scratch/out" "data.hflip=0 "
  [[ ! -e $scratch/none ]] || fail "train --explain makes a run"
  run 0 train data.train="$data/train" training.epochs=1 --explain
  says "$scratch/out" "nothing is chosen"
  # Four seconds: it ends in time, what was chosen is in config.yaml, what was given stays.
  local begin=$SECONDS
  run 0 train data.train="$data/train" training.budget=4s training.lr=0.0015 data.hflip=0.25 output.dir="$scratch/runs"
  ((SECONDS - begin <= 9)) || fail "a training of 4 seconds took $((SECONDS - begin))"
  run_folder "$scratch/runs"
  says "$run_dir/config.yaml" "stem: conv"
  says "$run_dir/config.yaml" 'image_size: "8"'
  says "$run_dir/config.yaml" "lr: 0.0015"
  says "$run_dir/config.yaml" "hflip: 0.25"
  says "$run_dir/config.yaml" 'budget: "4s"'
  grep -qE '^  epoch_images: [1-9]' "$run_dir/config.yaml" || fail "epoch_images was not chosen" "$run_dir/config.yaml"
  # Whatever was chosen, the model answers.
  run 0 predict --run "$run_dir" "$data/test/0"
  run 0 evaluate --run "$run_dir" "$data/test"
  says "$scratch/out" "/360)"
  # The same configuration once more chooses nothing and gives the same bits, also when it is cut.
  local first=$run_dir
  run 0 train --config "$first/config.yaml" output.dir="$scratch/again" --until-epoch 2
  ! grep -q "chosen for" "$scratch/out" || fail "a complete configuration is chosen anew" "$scratch/out"
  run_folder "$scratch/again"
  run 0 train --resume "$run_dir"
  same "$first/best/model.safetensors" "$run_dir/best/model.safetensors"
  # Of a sweep the choice holds for all jobs.
  run 0 train -m data.train="$data/train" training.budget=2s training.lr=0.001,0.002 output.multirun="$scratch/sweep"
  local jobs=("$scratch"/sweep/*/*/[01]/config.yaml)
  ((${#jobs[@]} == 2)) || fail "the sweep has ${#jobs[@]} jobs"
  says "${jobs[0]}" "lr: 0.001"
  says "${jobs[1]}" "lr: 0.002"
  diff <(grep -v " lr:" "${jobs[0]}") <(grep -v " lr:" "${jobs[1]}") >"$scratch/diff" || fail "jobs differ in more than the sweep" "$scratch/diff"
  refused 2 'training.budget is "soon"' train data.train="$data/train" training.budget=soon
}
