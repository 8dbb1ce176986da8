# Evaluation goes on without images that cannot be read.

test_evaluate() {
  trained
  rm -rf "$scratch/some_bad"
  cp -r "$scratch/pair" "$scratch/some_bad"
  run 0 evaluate --run "$trained_run" --json "$scratch/some_bad"
  says "$scratch/out" '"images":40,'
  says "$scratch/out" "\"skipped\":0,\"model\":\"$trained_run/best\"}"
  local image=("$scratch"/pair/zero/*.png) i
  for i in 1 2 3; do head -c $((40 + i)) "${image[0]}" >"$scratch/some_bad/zero/bad$i.png"; done
  run 1 evaluate --run "$trained_run" "$scratch/some_bad"
  says "$scratch/out" "/40)"
  for i in 1 2 3; do says "$scratch/err" "zero/bad$i.png"; done
  says "$scratch/err" "minivit evaluate: 3 images were skipped"
  run 1 evaluate --run "$trained_run" --json "$scratch/some_bad"
  says "$scratch/out" '"images":40,'
  says "$scratch/out" '"skipped":3,'
  rm -r "$scratch/some_bad/one"
  find "$scratch/some_bad/zero" -name '0*.png' -delete
  refused 1 "none of 3 images can be read" evaluate --run "$trained_run" "$scratch/some_bad"
}
