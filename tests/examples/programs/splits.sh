# Folders that hold train/, val/ and test/: understood as splits by everything that takes a folder of classes.

# three_splits FOLDER: two classes, 20 images each for training, 8 for validation, 5 for the test.
three_splits() {
  two_classes "$1/train"
  copies 8 0 "$1/valid/zero"
  copies 8 1 "$1/valid/one"
  copies 5 0 "$1/test/zero"
  copies 5 1 "$1/test/one"
}

test_splits() {
  digits
  three_splits "$scratch/data"
  cd "$scratch"
  tiny data.train=data output.dir="$scratch/runs"
  says "$scratch/err" "data holds splits: data/train for training, data/valid for validation, data/test for the test"
  says "$scratch/out" "40 for training, 16 for validation"
  grep -qE '^test of the best model: accuracy [01]\.[0-9]{4} \([0-9]+/10\), ' "$scratch/out" || fail "train: no test at the end" "$scratch/out"
  run_folder "$scratch/runs"
  says "$run_dir/config.yaml" "train: \"$scratch/data/train\""
  says "$run_dir/config.yaml" "val: \"$scratch/data/valid\""
  says "$run_dir/config.yaml" "test: \"$scratch/data/test\""
  says "$run_dir/result.json" '"test_acc": '
  [[ $(cat "$run_dir/class_mapping.json" | tr -d ' \n') == '{"one":0,"zero":1}' ]] || fail "splits became classes" "$run_dir/class_mapping.json"
  # The same numbers as from the folders by their names, and as evaluate says.
  local accuracy model=$run_dir/best
  accuracy=$(grep -o '^test of .*' "$scratch/out")
  tiny data.train=data/train data.val=data/valid data.test=data/test output.dir="$scratch/named"
  says "$scratch/out" "$accuracy"
  [[ ! -s $scratch/err ]] || fail "train: something on standard error" "$scratch/err"
  run 0 evaluate --model "$model" --split test data
  [[ $accuracy == *"$(grep -o '([0-9]*/10), loss [0-9.]*' "$scratch/out")" ]] || fail "evaluate: not $accuracy" "$scratch/out"
  run 0 evaluate --model "$model" data
  says "$scratch/out" "/16)"
  says "$scratch/err" "data holds splits: measured on data/valid"
  run 0 evaluate --model "$model" --split train data
  says "$scratch/out" "/40)"
  refused 1 "holds no splits" evaluate --model "$model" --split val data/valid
  run 0 probe --model "$model" --train data --knn 3
  says "$scratch/out" "40 images for training, 16 for validation, 2 classes"
  says "$scratch/err" "data holds splits: trained on data/train, measured on data/valid"

  # What may be a mistake is said: a split beside others that is taken for a class, and a folder that is given twice.
  mkdir -p "$scratch/odd/extra"
  cp -r data/train "$scratch/odd/train"
  cp -r data/test/. "$scratch/odd/extra"
  tiny data.train=odd output.dir="$scratch/odd_runs"
  says "$scratch/err" "note: odd holds train/ with folders in it, and others beside it: all are taken for classes. If it is a split: data.train=odd/train"
  tiny data.train=data/train data.val=data/train output.dir="$scratch/same_runs"
  says "$scratch/err" "note: data.train and data.val are the same folder, data/train"

  # A part alone: data.val beside it may be a folder of splits, too.
  two_classes "$scratch/plain"
  tiny data.train=plain data.val=data output.dir="$scratch/mixed"
  says "$scratch/out" "40 for training, 16 for validation"
  # In a sweep each job is trained so.
  run 0 train "${settings[@]}" data.train=data output.multirun="$scratch/multi" --multirun model.dropout=0,0.1
  says "$scratch/out" "40 for training, 16 for validation"

  # What could be either is refused before anything is written.
  mkdir -p flat/train flat/val
  cp data/train/zero/*.png flat/train
  cp data/train/one/*.png flat/val
  refused 1 "names of splits, but in them are no folders of classes" train "${settings[@]}" data.train=flat output.dir="$scratch/none"
  copies 3 2 "$scratch/other/train/two"
  copies 3 3 "$scratch/other/train/three"
  copies 3 4 "$scratch/other/val/four"
  run 1 train "${settings[@]}" data.train=other output.dir="$scratch/none"
  says "$scratch/err" 'class "four" is not among the 2 known classes'
  absent "$scratch/none"
}
