# Embeddings and probes on them.

test_features() {
  trained
  local image=("$scratch"/pair/zero/*.png) out=$scratch/features
  mkdir -p "$out"
  run 0 embed --run "$trained_run" --batch 7 --out "$out/f.npy" "$scratch/pair"
  [[ ! -s $scratch/err ]] || fail "embed: something on standard error" "$scratch/err"
  says "$scratch/out" "f.npy: 16 features of 40 images"
  says "$scratch/out" "f.txt: the names of the images"
  [[ $(stat -c %s "$out/f.npy") == $((128 + 40 * 16 * 4)) ]] || fail "embed: f.npy is not of 40 rows of 16 floats"
  grep -aqF "'shape': (40, 16), }" "$out/f.npy" || fail "embed: f.npy is not (40, 16)"
  [[ $(cat "$out/f.txt") == $(find "$scratch/pair" -name '*.png' | LC_ALL=C sort) ]] || fail "embed: other names than the images'" "$out/f.txt"
  run 0 embed --model "$model" --batch 7 --json --out "$out/f.csv" "$scratch/pair"
  [[ $(cat "$scratch/out") == "{\"images\":40,\"skipped\":0,\"features\":16,\"out\":\"$out/f.csv\",\"model\":\"$model\"}" ]] ||
    fail "embed --json: not as expected" "$scratch/out"
  [[ $(head -n 1 "$out/f.csv") == image,f0,f1,*,f15 ]] || fail "embed: the header of the table" "$out/f.csv"
  [[ $(tail -n +2 "$out/f.csv" | cut -d, -f1) == $(cat "$out/f.txt") ]] || fail "embed: the table has other images" "$out/f.csv"
  if command -v python3 >/dev/null; then
    python3 - "$out" <<'PYTHON' || fail "embed: matrix and table differ"
import csv, struct, sys
data = open(sys.argv[1] + "/f.npy", "rb").read()
rows = list(csv.reader(open(sys.argv[1] + "/f.csv")))[1:]
values = [float(v) for row in rows for v in row[1:]]
assert data[:10] == b"\x93NUMPY\1\0\x76\0" and struct.pack("<640f", *values) == data[128:]
PYTHON
  fi

  # What cannot be decoded is named, counted and left out; nothing is written if nothing is left.
  mkdir -p "$scratch/blurred"
  cp "${image[0]}" "$scratch/blurred/a, b.png"
  echo "not an image" >"$scratch/blurred/c.png"
  run 1 embed --model "$model" --out "$out/g.csv" "$scratch/blurred"
  says "$scratch/err" "blurred/c.png"
  says "$scratch/err" "embed: 1 images were skipped"
  says "$out/g.csv" "\"$scratch/blurred/a, b.png\","
  refused 1 "none of 1 images can be read" embed --model "$model" --out "$out/h.npy" "$scratch/blurred/c.png"
  absent "$out/h.npy"
  absent "$out/h.txt"
  refused 2 "expected a name that ends in .npy or .csv" embed --model "$model" --out "$out/f.json" "${image[0]}"
  refused 1 "nowhere/f.npy" embed --model "$model" --out "$out/nowhere/f.npy" "${image[0]}"
  refused 1 "nowhere.png: no such file or folder" embed --model "$model" nowhere.png
  run 2 embed --model "$model"

  # Classes that the model was not trained on.
  copies 30 2 "$scratch/others/two"
  copies 30 3 "$scratch/others/three"
  copies 30 4 "$scratch/others/four"
  run 0 probe --run "$trained_run" --train "$scratch/others" --knn 5 --save "$out/model"
  [[ ! -s $scratch/err ]] || fail "probe: something on standard error" "$scratch/err"
  says "$scratch/out" "72 images for training, 18 for validation, 3 classes, 16 features"
  grep -qE '^5 nearest neighbors: accuracy [01]\.[0-9]{4} \([0-9]+/18\)$' "$scratch/out" || fail "probe: no neighbors" "$scratch/out"
  grep -qE '^linear classifier: accuracy [01]\.[0-9]{4} ' "$scratch/out" || fail "probe: no linear classifier" "$scratch/out"
  says "$scratch/out" "model folder: $out/model"
  # The saved model is that classifier, and predicts the folder's classes.
  run 0 predict --model "$out/model" --top 3 "${image[0]}"
  says "$scratch/out" "three"
  run 0 probe --model "$model" --train "$scratch/others" --val "$scratch/others" --json --save "$out/model"
  local correct
  correct=$(sed -E 's/.*"linear":\{("correct":[0-9]+).*/\1/' "$scratch/out")
  says "$scratch/out" "\"saved\":\"$out/model\""
  run 0 evaluate --model "$out/model" --json "$scratch/others"
  says "$scratch/out" "\"images\":90,$correct,"
  run 0 probe --model "$model" --train "$scratch/others" --no-linear --json
  ! grep -q linear "$scratch/out" || fail "probe --no-linear: a linear classifier" "$scratch/out"

  refused 2 "--knn is 100, expected at most 72" probe --model "$model" --train "$scratch/others" --knn 100
  refused 2 "a folder with something else than a model" probe --model "$model" --train "$scratch/others" --save "$scratch/pair"
  exists "${image[0]}"
  refused 1 "nowhere/model" probe --model "$model" --train "$scratch/others" --save "$scratch/nowhere/model"
  refused 1 'class "one" is not among the 3 known classes' probe --model "$model" --train "$scratch/others" --val "$scratch/pair"
  refused 1 "nowhere: no such folder" probe --model "$model" --train "$scratch/nowhere"
  run 2 probe --model "$model" --train "$scratch/others" --val "$scratch/others" --val-fraction 0.5
  run 2 probe --model "$model" --train "$scratch/others" --no-linear --save "$out/model"
  run 2 probe --model "$model"
}
