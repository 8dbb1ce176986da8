# Images that cannot be read: found by one look before the training, named, counted, left out; too many stop it.

# broken FOLDER COUNT: so many files that are no images, empty, text or cut off, spread over the classes.
broken() {
  local i class image
  for ((i = 0; i < $2; i++)); do
    class=$1/$( ((i % 2)) && echo one || echo zero)
    case $((i % 3)) in
    0) : >"$class/broken-$i.jpg" ;;
    1) echo "no image" >"$class/broken-$i.jpg" ;;
    2)
      image=("$class"/[0-9]*.png)
      head -c 60 "${image[0]}" >"$class/broken-$i.png"
      ;;
    esac
  done
}

test_bad_images() {
  digits
  local i
  # A few of few: named with their kinds, left out, said once.
  two_classes "$scratch/few"
  broken "$scratch/few" 3
  ln -s nowhere "$scratch/few/one/link.png"
  touch "$scratch/few/one/photo.jxl" "$scratch/few/zero/photo.JXL" "$scratch/few/above.png"
  tiny data.train="$scratch/few" output.dir="$scratch/few_runs"
  says "$scratch/err" "4 images cannot be read and are left out:"
  for i in "links to nothing: 1" "empty: 1" "no image of a known format: 1" "damaged, cut off or too large: 1" \
    broken-0.jpg broken-1.jpg broken-2.png link.png "2 .jxl files are not read" "1 image lies beside the folders"; do
    [[ $(grep -cF -- "$i" "$scratch/err") == 1 ]] || fail "train does not say \"$i\" once" "$scratch/err"
  done
  ! grep -q '?' "$scratch/err" || fail "a line break became a question mark" "$scratch/err"
  run_folder "$scratch/few_runs"
  says "$run_dir/train.log" broken-2.png
  # They stay in their places: a run goes on with the others as they were after one more was damaged and one repaired.
  says "$run_dir/config.yaml" "bad_fraction: 0.01"
  tiny data.train="$scratch/few" output.dir="$scratch/paused" --until-epoch 1
  run_folder "$scratch/paused"
  local image=("$scratch"/few/zero/[0-9]*.png)
  cp "${image[0]}" "$scratch/few/zero/broken-2.png"
  : >"${image[1]}"
  : >"${image[2]}"
  run 0 train --resume "$run_dir"
  says "$scratch/err" "5 images cannot be read"
  says "$run_dir/result.json" '"status": "finished"'

  # Ten, and more than one in a hundred: stopped before the first step, with no run folder; the first ten of a kind are named.
  two_classes "$scratch/many"
  for i in {10..21}; do : >"$scratch/many/one/broken-$i.png"; done
  run 1 train "${settings[@]}" data.train="$scratch/many" output.dir="$scratch/none"
  says "$scratch/err" "many: 12 of 52 images cannot be read, more than data.bad_fraction=0.01"
  says "$scratch/err" "empty: 12"
  says "$scratch/err" "broken-19.png"
  says "$scratch/err" "and 2 more"
  ! grep -qF broken-20.png "$scratch/err" || fail "train: more than ten names" "$scratch/err"
  absent "$scratch/none"
  tiny data.train="$scratch/many" data.bad_fraction=0.5 output.dir="$scratch/many_runs"
  # None may be, if that is what is said. A class must not be left without images.
  two_classes "$scratch/one_bad"
  : >"$scratch/one_bad/one/broken.png"
  run 1 train "${settings[@]}" data.train="$scratch/one_bad" data.bad_fraction=0 output.dir="$scratch/none"
  says "$scratch/err" "1 of 41 images cannot be read"
  mkdir "$scratch/one_bad/two"
  : >"$scratch/one_bad/two/a.png"
  : >"$scratch/one_bad/two/b.png"
  run 1 train "${settings[@]}" data.train="$scratch/one_bad" output.dir="$scratch/none"
  says "$scratch/err" "one_bad/two: none of the images for training can be read"
  absent "$scratch/none"

  # What only shows when all of it is decoded costs no epoch, whatever the number of such images for validation.
  two_classes "$scratch/train"
  two_classes "$scratch/val"
  for i in "$scratch"/val/one/*.png; do  # the checksum of the pixels, not the end
    printf '\x00\x00\x00\x00' | dd of="$i" bs=1 seek=$(($(stat -c %s "$i") - 16)) conv=notrunc 2>/dev/null
  done
  tiny data.train="$scratch/train" data.val="$scratch/val" output.dir="$scratch/val_runs"
  says "$scratch/out" "40 for training, 40 for validation"
  grep -q 'val/one/.*png' "$scratch/err" || fail "train names no damaged validation image" "$scratch/err"
  run_folder "$scratch/val_runs"
  [[ $(wc -l <"$run_dir/training_history.csv") == 3 ]] || fail "train: epochs are missing" "$run_dir/training_history.csv"
}
