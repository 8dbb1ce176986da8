# A disk that becomes full.

test_full_disk() {
  trained
  if ! tmpfs "$scratch/full" 2m; then
    skip "a full disk (mounting is not allowed)"
    return
  fi
  # Too large at once: nothing is left but what the run began with.
  run 1 train "${settings[@]}" data.train="$scratch/pair" model.embedding_dim=256 output.dir="$scratch/full"
  says "$scratch/err" "train: "
  says "$scratch/err" "No space left on device"
  run_folder "$scratch/full"
  [[ -z $(find "$run_dir" -name '.*') ]] || fail "a full disk leaves something temporary"
  absent "$run_dir/last"
  absent "$run_dir/best"

  # Full in the middle of a training: the checkpoint stays as it was, and with room again the run goes on to the same end.
  local all=(data.train="$scratch/pair" "${exact[@]}" log.tensorboard=no)
  tiny "${all[@]}" output.dir="$scratch/roomy"
  run_folder "$scratch/roomy"
  local whole=$run_dir before
  rm -rf "$scratch"/full/*
  run 0 train "${settings[@]}" "${all[@]}" --until-epoch 1 output.dir="$scratch/full"
  run_folder "$scratch/full"
  before=$(cat "$run_dir"/last/* | sha256sum)
  dd if=/dev/zero of="$scratch/full/ballast" bs=1k status=none 2>/dev/null || true
  run 1 train --resume "$run_dir"
  says "$scratch/err" "No space left on device"
  [[ $(cat "$run_dir"/last/* | sha256sum) == "$before" ]] || fail "a full disk changed the checkpoint"
  refused 1 "No space left on device" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/full"
  rm "$scratch/full/ballast"
  run 0 train --resume "$run_dir"
  same_run "$whole" "$run_dir"

  # A folder that nobody can write to.
  mount -o remount,ro "$scratch/full"
  refused 1 "Read-only file system" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/full"
  run 1 train --resume "$run_dir" training.epochs=50
  says "$scratch/err" "Read-only file system"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
}
