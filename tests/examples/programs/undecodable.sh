# Files that are no images, in folders of two classes.

test_undecodable() {
  digits
  # One of 121: it is named and left out, for training and for validation.
  copies 60 0 "$scratch/photos/zero"
  copies 60 1 "$scratch/photos/one"
  head -c 60 "$scratch/photos/zero/0000.png" >"$scratch/photos/zero/aaa.png"
  tiny data.train="$scratch/photos" data.val="$scratch/photos" output.dir="$scratch/skipping"
  run_folder "$scratch/skipping"
  says "$run_dir/train.log" "zero/aaa.png"
  [[ $(cat "$scratch/out" "$scratch/err" | grep -c 'zero/aaa.png') -le 2 ]] || fail "train names an image again and again" "$scratch/err"
  # What libheif says ends with a line break, which is no line of ours.
  if "$bin/minivit" --version | grep -q '^images: .*HEIC'; then
    { printf '\0\0\0\30ftypheic' && head -c 300 /dev/zero; } >"$scratch/phone.heic"
    run 1 predict --run "$run_dir" "$scratch/phone.heic"
    says "$scratch/err" "phone.heic: damaged HEIC: "
    ! grep -q '^$' "$scratch/err" || fail "predict: an empty line behind a HEIC" "$scratch/err"
  fi
}
