# Settings that change what is trained.

test_train_options() {
  trained
  # The other optimizer, accumulation, a folder for validation, an image size that is not square.
  tiny data.train="$scratch/pair" data.val="$scratch/pair" training.optimizer=sgd training.accumulate=2 data.workers=2 \
    data.trivial_augment=true model.image_size=8x12 model.pooling=mean model.class_token=false model.positions=sincos \
    model.layer_scale=0.1 model.register_tokens=1 data.fit=squash output.dir="$scratch/options"
  run_folder "$scratch/options"
  exists "$run_dir/best/model.safetensors"
  run 0 predict --run "$run_dir" "$scratch/pair/zero"
  # Weights to begin with: from the first epoch on as good as the model that they are of. Other classes get a new head, other
  # sizes are refused.
  local best
  tiny data.train="$scratch/digits/train" training.epochs=6 output.dir="$scratch/before"
  run_folder "$scratch/before"
  best=$run_dir/best
  tiny data.train="$scratch/digits/train" model.pretrained="$best" training.lr=0 training.epochs=1 output.dir="$scratch/after"
  run_folder "$scratch/after"
  same "$best/model.safetensors" "$run_dir/last/model.safetensors"
  tiny data.train="$scratch/digits/train" model.pretrained="$(dirname "$best")" training.lr=0 training.epochs=1 output.dir="$scratch/after_run"
  run_folder "$scratch/after_run"
  same "$best/model.safetensors" "$run_dir/last/model.safetensors"
  tiny data.train="$scratch/pair" model.pretrained="$best" output.dir="$scratch/other_head"
  run 2 train "${settings[@]}" data.train="$scratch/pair" model.pretrained="$best" model.embedding_dim=32 output.dir="$scratch/other_size"
  says "$scratch/err" "model.embedding_dim is 32, model.pretrained="
  absent "$scratch/other_size"
  # More images in a batch than there are.
  tiny data.train="$scratch/pair" training.batch_size=4096 training.epochs=1 output.dir="$scratch/large_batch"
  # Two runs that start together have a folder each.
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/together" &>"$scratch/log1" & local first=$!
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" output.dir="$scratch/together" &>"$scratch/log2" & local second=$!
  wait $first || fail "train: the first of two runs" "$scratch/log1"
  wait $second || fail "train: the second of two runs" "$scratch/log2"
  local runs=("$scratch"/together/*/*)
  [[ ${#runs[@]} == 2 ]] || fail "two runs at once made ${#runs[@]} folders"
}
