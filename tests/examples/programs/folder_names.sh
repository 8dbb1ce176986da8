# Names of folders: not UTF-8, relative, with ~, in quotes; they are found again wherever a run goes on.

test_folder_names() {
  digits
  local odd=$scratch/odd$'\xe9\xff' name whole run
  # Bytes that are no UTF-8, in the folder with the images, the images, and the run's folder.
  if ! mkdir "$odd" 2>/dev/null; then
    skip "names that are not UTF-8 (the file system refuses them)"
  else
    two_classes "$odd/photos"
    mv "$odd/photos/one/$(ls "$odd/photos/one" | head -n 1)" "$odd/photos/one/"$'\xe8.png'
    tiny data.train="$odd/photos" output.dir="$odd/whole"
    tiny data.train="$odd/photos" output.dir="$odd/cut" --until-epoch 1
    run_folder "$odd/cut"
    run=$run_dir
    says "$run/config.yaml" "train: !!binary \""
    iconv -f UTF-8 "$run/config.yaml" "$run/overrides.yaml" "$run/result.json" >/dev/null || fail "a file of the run is not UTF-8"
    run 0 train --resume "$run"
    run_folder "$odd/whole"
    same_run "$run_dir" "$run"
    run 0 runs --root "$odd/cut"
    says "$scratch/out" "finished"
    run 0 runs --root "$odd/cut" --json
    iconv -f UTF-8 "$scratch/out" >/dev/null || fail "runs --json: not UTF-8"
    run 0 evaluate --run "$run" "$odd/photos"
    says "$scratch/out" "/40)"
    run 0 train "${settings[@]}" data.train="$odd/photos" output.multirun="$odd/multi" --multirun model.dropout=0,0.1
    run 0 train "${settings[@]}" --config "$run/config.yaml" output.dir="$odd/again"
    mv "$odd/photos/one" "$odd/photos/"$'\xe7'
    refused 1 "the name of this class is not UTF-8" train "${settings[@]}" data.train="$odd/photos" output.dir="$scratch/none"
    absent "$scratch/none"
  fi

  # A run goes on from any folder, and after its images were moved.
  mkdir -p "$scratch/a" "$scratch/b"
  two_classes "$scratch/a/photos"
  cd "$scratch/a"
  tiny data.train=photos output.dir=whole
  tiny data.train=photos output.dir=cut --until-epoch 1
  run_folder "$scratch/a/cut"
  run=$run_dir
  says "$run/overrides.yaml" '- "data.train=photos"'
  says "$run/config.yaml" "train: \"$scratch/a/photos\""
  cd "$scratch/b"
  run 0 train --resume "../a/cut/${run#"$scratch/a/cut/"}"
  run_folder "$scratch/a/whole"
  same_run "$run_dir" "$run"
  tiny data.train=../a/photos output.dir="$scratch/moved" --until-epoch 1
  run_folder "$scratch/moved"
  mv "$scratch/a/photos" "$scratch/b/pictures"
  refused 1 "if they were moved: minivit train --resume" train --resume "$run_dir"
  name=$(ls "$scratch/b/pictures/one" | head -n 1)
  mv "$scratch/b/pictures/one/$name" "$scratch/b"
  refused 1 "the images are not those that it began with (40 images, now 39 images)" train --resume "$run_dir" data.train=pictures
  mv "$scratch/b/$name" "$scratch/b/pictures/one"
  run 0 train --resume "$run_dir" data.train=pictures

  # ~ where no shell has replaced it, and quotes that no shell has taken off, alone and in a sweep.
  mkdir -p "$scratch/home"
  two_classes "$scratch/home/photos, mine"
  HOME=$scratch/home tiny data.train='~/photos, mine' output.dir='~/runs'
  run_folder "$scratch/home/runs"
  HOME=$scratch/home run 0 predict --model "$run_dir/best" '~/photos, mine'
  HOME=$scratch/home run 0 evaluate --model "$run_dir/best" '~/photos, mine'
  HOME=$scratch/home run 0 embed --model "$run_dir/best" --out "$scratch/f.csv" '~/photos, mine'
  HOME=$scratch/home run 0 embed --model "~/runs/${run_dir#"$scratch/home/runs/"}" --out='~/f.csv' '~/photos, mine'
  exists "$scratch/home/f.csv"
  HOME=$scratch/home run 0 runs --root '~/runs'
  says "$scratch/out" "finished"
  HOME=$scratch/home run 0 probe --model "$run_dir/best" --knn 1 --no-linear --train '~/photos, mine'
  for name in '"' "'"; do
    rm -rf "$scratch/quoted" "$scratch/quoted_sweep"
    tiny data.train="$name$scratch/home/photos, mine$name" output.dir="$scratch/quoted"
    tiny data.train="$name$scratch/home/photos, mine$name" output.multirun="$scratch/quoted_sweep" --multirun
    says "$scratch"/quoted_sweep/*/*/0/config.yaml "train: \"$scratch/home/photos, mine\""
  done
}
