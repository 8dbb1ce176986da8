# Names of files, classes, folders and tensors that would steer a terminal: nothing that any program says does.

# harmless WHAT FILE…: no control character but the end of a line, no C1, no mark of direction.
harmless() {
  local what=$1 file
  shift
  for file in "$@"; do
    ! LC_ALL=C grep -qaP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$file" ||
      fail "$what: $(basename "$file") has what steers a terminal: $(LC_ALL=C grep -anP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80' "$file" | head -n 3 | cat -v)"
  done
}

# said CODE SUBCOMMAND ARGUMENT…: as run, and both outputs are harmless.
said() {
  run "$@"
  harmless "${*:2}" "$scratch/out" "$scratch/err"
}

test_hostile_names() {
  trained
  local evil=$'\e[31m\e]0;owned\a\x7f' one=$'\xc2\x9b2J\xe2\x80\xae' folder=$scratch/names/data where=$scratch/names
  local bad=$folder/$evil/bad$evil.png root=$where/root$evil
  mkdir -p "$folder/$evil" "$folder/$one"
  copies 20 0 "$folder/$evil"
  copies 20 1 "$folder/$one"
  local images=("$folder/$evil"/*.png)
  cp "${images[0]}" "$folder/$evil/x$evil.png"

  # A training on such classes, in a folder of such a name; a note, too.
  said 0 train "${settings[@]}" data.train="$folder" output.dir="$root" "+notes.why=$evil"
  local runs=("$root"/*/*)
  local made=${runs[0]}
  harmless train.log "$made/train.log" "$made/class_mapping.json" "$made/result.json"
  said 0 predict --run "$made" "$folder"
  said 0 predict --run "$made" --json "$folder"
  said 0 evaluate --run "$made" "$folder"
  said 0 inspect "$made/best"
  said 0 inspect --json "$made/best"
  said 0 runs --root "$root"
  said 0 runs --root "$root" --json
  said 0 embed --run "$made" --out "$where/f$evil.npy" "$folder"
  said 0 probe --run "$made" --train "$folder" --knn 5 --save "$where/model$evil"
  said 0 export --run "$made" --to onnx --out "$where/onnx$evil"
  said 0 digits "$data/digits.png" "$data/digits.labels.txt" "$where/digits$evil"
  said 0 train "${settings[@]}" data.train="'$folder'" log.curves=no "+notes.why=a$evil,b" -m output.multirun="$root-sweeps"

  said 0 train --cfg data.train="'$folder'" "+notes.why=$evil"
  said 0 train --cfg data.train="'$folder'" "+notes.why=a$evil,b" -m

  # Errors and what is skipped.
  echo "not an image" >"$bad"
  said 1 predict --run "$made" "$folder"
  said 1 embed --run "$made" --out "$where/f$evil.csv" "$folder"
  said 1 predict --model "$root" "$bad"
  said 1 inspect "$bad"
  said 1 evaluate --run "$made" "$scratch/pair"
  said 2 train "tra$evil=1"
  said 2 "$evil"
  said 2 predict "--$evil"
  said 2 train "${settings[@]}" data.train="$folder" training.optimizer="$evil"
}
