# The limit on the pixels of an image, in every subcommand that reads images.

test_pixel_limit() {
  trained
  local image=("$scratch"/pair/zero/*.png) subcommand
  for subcommand in predict "embed --out $scratch/f.csv"; do
    # shellcheck disable=SC2086
    run 1 $subcommand --model "$model" --max-pixels 63 "${image[0]}"
    says "$scratch/err" "$(basename "${image[0]}"): the image is 8x8, expected at least 1x1 and at most 63 pixels"
  done
  run 0 predict --model "$model" --max-pixels 64 "${image[0]}"
  run 1 evaluate --model "$model" --max-pixels 63 "$scratch/pair"
  run 1 probe --model "$model" --max-pixels 63 --knn 1 --no-linear --train "$scratch/pair"
  refused 1 "the image is 8x8" train "${settings[@]}" data.train="$scratch/pair" data.max_pixels=63 output.dir="$scratch/none"
  absent "$scratch/none"
  tiny data.train="$scratch/pair" data.max_pixels=64 output.dir="$scratch/enough"
  refused 2 "data.max_pixels is \"0\", expected" train "${settings[@]}" data.train="$scratch/pair" data.max_pixels=0
}
