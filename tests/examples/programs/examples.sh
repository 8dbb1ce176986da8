# The examples that are read and run.

# example NAME ARGUMENT…: runs one of the examples, which ends well.
example() {
  local code=0
  "$bin/examples/$1" "${@:2}" >"$scratch/out" 2>"$scratch/err" || code=$?
  [[ $code == 0 ]] || fail "$*: exit code $code, expected 0" "$scratch/err"
}

test_examples() {
  example hello_autograd
  says "$scratch/out" "gradient"
  example vit_from_bricks
  says "$scratch/out" "16 of 16 remembered"
  example custom_op
  says "$scratch/out" "the gradient is right"
  example eigen_interop
  says "$scratch/out" "principal"
  digits
  example custom_dataset "$data/digits.png" "$data/digits.labels.txt"
  says "$scratch/out" "of 360 digits"
  example train_loop "$scratch/digits/train" "$scratch/loop"
  exists "$scratch/loop"/{model.safetensors,config.json,preprocessor_config.json}
  run 0 evaluate --model "$scratch/loop" --json "$scratch/digits/test"
  [[ $(sed -E 's/^\{"images":360,"correct":([0-9]+),.*/\1/' "$scratch/out") -gt 300 ]] || fail "train_loop: its model has not learned the digits" "$scratch/out"
  example classify_from_threads "$scratch/loop" "$scratch"/digits/test/*/17*0.png
  [[ $(grep -cE '17[0-9]*0\.png +[0-9] ' "$scratch/out") == $(printf '%s\n' "$scratch"/digits/test/*/17*0.png | wc -l) ]] ||
    fail "classify_from_threads: expected a line an image" "$scratch/out"
}
