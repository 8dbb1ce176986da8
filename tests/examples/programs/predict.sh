# Predictions for images and folders, and what is refused.

test_predict() {
  trained
  local image=("$scratch"/pair/zero/*.png)
  run 0 predict --run "$trained_run" "${image[0]}"
  says "$scratch/out" "${image[0]}"
  grep -qE ' (zero|one) [0-9.]+%  (zero|one) [0-9.]+%$' "$scratch/out" || fail "predict: no probabilities" "$scratch/out"
  run 0 predict --model "$model" --top 1 "${image[@]:0:3}"
  [[ $(grep -cE ' (zero|one) [0-9.]+%$' "$scratch/out") == 3 ]] || fail "predict: expected 3 lines" "$scratch/out"

  # Letters of several bytes are one character wide.
  mkdir "$scratch/letters"
  cp "${image[0]}" "$scratch/letters/ä.png"
  cp "${image[0]}" "$scratch/letters/a.png"
  run 0 predict --model "$model" "$scratch/letters"
  [[ $(sed 's/ä/a/' "$scratch/out" | sort -u | wc -l) == 1 ]] || fail "predict: columns are not aligned" "$scratch/out"

  run 0 predict --model "$model" --json "$scratch/pair"
  [[ $(wc -l <"$scratch/out") == 40 ]] || fail "predict --json: expected 40 lines" "$scratch/out"
  local line
  while IFS= read -r line; do
    [[ $line =~ ^\{\"image\":.*\"label\":.*\"confidence\":.*\"top\":.*\"logits\":.*\}$ ]] || fail "predict --json: $line"
  done <"$scratch/out"
  if command -v python3 >/dev/null; then
    python3 - "$scratch/out" <<'PYTHON' || fail "predict --json: not the promised objects" "$scratch/out"
import json, math, sys
for line in open(sys.argv[1]):
    p = json.loads(line)
    assert list(p) == ["image", "model", "label", "confidence", "top", "logits"], p
    assert p["label"] == p["top"][0]["label"] and p["confidence"] == p["top"][0]["probability"]
    assert abs(sum(t["probability"] for t in p["top"]) - 1) < 1e-5 and len(p["logits"]) == 2
    top = max(p["logits"])
    assert abs(p["confidence"] - 1 / sum(math.exp(z - top) for z in p["logits"])) < 1e-5
PYTHON
  fi
  run 0 predict --model "$model" --json "$scratch/pair/zero" "$scratch/pair/one"
  sed 's/"confidence".*//' "$scratch/out" | sort >"$scratch/one"
  run 0 predict --model "$model" --json "$scratch/pair"
  sed 's/"confidence".*//' "$scratch/out" | sort | cmp -s - "$scratch/one" || fail "predict: folders give other images than their parent"

  run 2 predict --model "$model" --top 0 "${image[0]}"
  refused 1 "nowhere.png: no such file or folder" predict --model "$model" nowhere.png
  run 1 predict --model "$model" --json nowhere.png "${image[0]}"
  says "$scratch/out" '"image":"nowhere.png"'
  [[ $(grep -c '"label"' "$scratch/out") == 1 ]] || fail "predict: a misspelled name keeps another image from being predicted" "$scratch/out"
  mkdir -p "$scratch/no_images"
  refused 1 "holds no images" predict --model "$model" "$scratch/no_images"
  refused 1 "config.json" predict --model "$scratch/no_images" "${image[0]}"
  # What cannot be decoded is named; the others are predicted all the same.
  mkdir -p "$scratch/mixed"
  cp "${image[0]}" "$scratch/mixed/a.png"
  echo "not an image" >"$scratch/mixed/b.png"
  cp "${image[1]}" "$scratch/mixed/c.PNG"
  ln -s nowhere "$scratch/mixed/d.png"
  run 1 predict --model "$model" "$scratch/mixed"
  says "$scratch/err" "mixed/b.png"
  says "$scratch/err" "mixed/d.png"
  [[ $(wc -l <"$scratch/out") == 2 ]] || fail "predict: expected the 2 images that can be read" "$scratch/out"
}
