# The digits as a folder of images: written once, refused where something else is.

test_digits() {
  digits
  [[ $(find "$scratch/digits/train" -name '*.png' | wc -l) == 1437 ]] || fail "digits: expected 1437 images for training"
  [[ $(find "$scratch/digits/test" -name '*.png' | wc -l) == 360 ]] || fail "digits: expected 360 images for testing"
  [[ $(ls "$scratch/digits/train") == $'0\n1\n2\n3\n4\n5\n6\n7\n8\n9' ]] || fail "digits: expected a folder for each digit"
  refused 1 "nowhere.png" digits nowhere.png "$data/digits.labels.txt" "$scratch/none"
  refused 1 "too small for" digits "$scratch/digits/train/0/0000.png" "$data/digits.labels.txt" "$scratch/none"
  absent "$scratch/none"
  run 2 digits only-one-argument
  says "$scratch/err" "expected labels"
}
