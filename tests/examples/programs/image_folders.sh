# One set of rules for folders of images: what predict, embed, evaluate, probe and train find in them.

# finds FOLDER COUNT: every program finds so many images, and none complains.
finds() {
  run 0 predict --model "$model" --json "$1"
  [[ $(wc -l <"$scratch/out") == "$2" ]] || fail "predict $1: not $2 images" "$scratch/out"
  [[ $(cat "$scratch/err") == "minivit predict: model: $model" ]] || fail "predict $1: something on standard error" "$scratch/err"
  run 0 embed --model "$model" --out "$scratch/f.csv" "$1"
  [[ $(wc -l <"$scratch/f.csv") == $(($2 + 1)) ]] || fail "embed $1: not $2 images" "$scratch/f.csv"
  run 0 evaluate --model "$model" "$1"
  says "$scratch/out" "/$2)"
  run 0 probe --model "$model" --train "$1" --no-linear --knn 1 --json
  [[ $(($(sed -E 's/.*"train_images":([0-9]+).*/\1/' "$scratch/out") + $(sed -E 's/.*"val_images":([0-9]+).*/\1/' "$scratch/out"))) == "$2" ]] ||
    fail "probe $1: not $2 images" "$scratch/out"
  rm -rf "$scratch/found"
  tiny data.train="$1" training.epochs=1 output.dir="$scratch/found"
  [[ $(sed -nE 's/^images +([0-9]+) for training, ([0-9]+) for validation.*/\1 \2/p' "$scratch/out" | awk '{print $1 + $2}') == "$2" ]] ||
    fail "train $1: not $2 images" "$scratch/out"
  [[ ! -s $scratch/err ]] || fail "train $1: something on standard error" "$scratch/err"
}

test_image_folders() {
  trained
  local image=("$scratch"/pair/zero/*.png) photos=$scratch/photos folder
  two_classes "$photos"
  # Hidden files and what other systems leave behind.
  for folder in "$photos/one" "$photos/zero/deeper"; do
    mkdir -p "$folder"/{.ipynb_checkpoints,.thumbnails,__MACOSX,@eaDir}
    printf '\0\5\26\7Mac OS X' | tee "$folder/._0000.png" "$folder/__MACOSX/._0000.png" "$folder/Thumbs.db" >/dev/null
    cp "${image[0]}" "$folder/.cover.png"
    cp "${image[0]}" "$folder/.ipynb_checkpoints/0000-checkpoint.png"
    cp "${image[0]}" "$folder/@eaDir/0000.png"
  done
  mkdir -p "$photos/__MACOSX/one" "$photos/.cache"
  cp "${image[0]}" "$photos/__MACOSX/one"
  finds "$photos" 40
  # Linked folders are entered; a link to the parent, or to another class, brings nothing twice and nothing elsewhere.
  copies 5 0 "$scratch/elsewhere"
  ln -s "$scratch/elsewhere" "$photos/zero/more"
  ln -s .. "$photos/one/up"
  ln -s ../zero "$photos/one/zeros"
  ln -s self "$photos/one/self"
  ln -s "$photos" "$scratch/elsewhere/back"
  finds "$photos" 45
  mkdir "$scratch/links"
  ln -s "$photos/one" "$photos/zero" "$scratch/links"
  finds "$scratch/links" 45
  [[ -n $(find "$scratch/f.csv" -size +0) ]]
  # Image files that are not read are said.
  touch "$photos/zero"/{1,2,3}.jxl
  for program in "predict --model $model" "embed --model $model --out $scratch/f.csv" "evaluate --model $model" \
    "probe --model $model --no-linear --knn 1 --train"; do
    # shellcheck disable=SC2086
    run 0 $program "$photos"
    says "$scratch/err" "3 .jxl files are not read"
  done
  mkdir "$scratch/jxl" && mv "$photos/zero"/*.jxl "$scratch/jxl"
  refused 1 "3 .jxl files are not read" predict --model "$model" "$scratch/jxl"

  # A folder that cannot be read is named, and all the others are predicted.
  mkdir "$photos/zero/locked"
  local code=0
  if [[ $(id -u) != 0 ]]; then
    chmod 000 "$photos/zero/locked"
    run 1 predict --model "$model" --json "$photos"
  elif command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups test -x "$bin/minivit" -a -r "$model/config.json"; then
    chmod 000 "$photos/zero/locked"
    setpriv --reuid=65534 --clear-groups "$bin/minivit" predict --model "$model" --json "$photos" >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == 1 ]] || fail "predict: exit code $code with a folder that cannot be read" "$scratch/err"
  else
    skip "a sub-folder that cannot be read (root reads everything)"
    return
  fi
  says "$scratch/err" "zero/locked: cannot be read: Permission denied"
  [[ $(wc -l <"$scratch/out") == 45 ]] || fail "predict: not the 45 images that can be read" "$scratch/out"
  chmod 700 "$photos/zero/locked"
}
