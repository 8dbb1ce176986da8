# Files that are no images.

# refused_training FOLDER TEXT: training ends with 1, and leaves no model.
refused_training() {
  rm -rf "$scratch/stopped"
  run 1 train "${settings[@]}" data.train="$1" output.dir="$scratch/stopped"
  says "$scratch/err" "$2"
  [[ -z $(find "$scratch/stopped" -name '*.safetensors') ]] || fail "train: a model of a training that was refused"
}

test_undecodable() {
  digits
  # One of 121 is fewer than one in a hundred: it is named and left out. Three are too many.
  copies 60 0 "$scratch/photos/zero"
  copies 60 1 "$scratch/photos/one"
  head -c 60 "$scratch/photos/zero/0000.png" >"$scratch/photos/zero/aaa.png"
  tiny data.train="$scratch/photos" data.val="$scratch/photos" output.dir="$scratch/skipping"
  run_folder "$scratch/skipping"
  says "$run_dir/train.log" "zero/aaa.png"
  [[ $(grep -c 'zero/aaa.png' "$scratch/out") -le 2 ]] || fail "train names an image again and again" "$scratch/out"
  echo "not an image" >"$scratch/photos/one/bbb.jpg"
  : >"$scratch/photos/one/ccc.bmp"
  refused_training "$scratch/photos" "samples cannot be read"
  says "$scratch/err" ".png"
}
