# A training from a folder of images to its run folder.

test_train() {
  digits
  local all=(data.train="$scratch/digits/train" training.optimizer=adamw model.dropout=0.1 training.ema=0.9)
  tiny "${all[@]}" output.dir="$scratch/first"
  run_folder "$scratch/first"
  local one=$run_dir folder file
  says "$scratch/out" "run folder: $one"
  [[ ! -s $scratch/err ]] || fail "train: something on standard error" "$scratch/err"
  exists "$one"/{config.yaml,training_history.csv,class_mapping.json,train.log}
  exists "$one"/{best,last}/{model.safetensors,config.json,preprocessor_config.json}
  ! grep -vxFf "$one/train.log" "$scratch/out" || fail "train said what is not in its log" "$scratch/out"
  says "$one/config.yaml" "embedding_dim: 16"
  says "$one/config.yaml" "seed: 7"
  says "$one/class_mapping.json" '"9": 9'
  [[ -z $(find "$one" -name '.*') ]] || fail "train left temporary files in $one"

  # A header and a row an epoch, of as many numbers as the header has names; the loss falls.
  awk -F, '
    NR == 1 { columns = NF; if ($1 != "epoch" || $2 != "train_loss") exit 1; next }
    { if (NF != columns || $1 != NR - 1) exit 1
      for (i = 1; i <= NF; i++) if ($i !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) exit 1
      loss[NR - 1] = $2 }
    END { if (NR != 3 || !(loss[2] < loss[1])) exit 1 }' "$one/training_history.csv" ||
    fail "training_history.csv is not as expected" "$one/training_history.csv"

  # The same command gives the same bits, with one thread and without loader threads, too.
  tiny "${all[@]}" output.dir="$scratch/second"
  OMP_NUM_THREADS=1 tiny "${all[@]}" data.workers=0 output.dir="$scratch/third"
  for folder in second third; do
    run_folder "$scratch/$folder"
    for file in {best,last}/{model.safetensors,config.json}; do same "$one/$file" "$run_dir/$file"; done
  done
  tiny "${all[@]}" training.seed=8 output.dir="$scratch/fourth"
  run_folder "$scratch/fourth"
  ! cmp -s "$one/last/model.safetensors" "$run_dir/last/model.safetensors" || fail "another seed gives the same weights"

  run 0 evaluate --run "$one" "$scratch/digits/test"
  says "$scratch/out" "/360)"
  run 0 evaluate --model "$one/last" --json "$scratch/digits/test"
  says "$scratch/out" '"images"'
}
