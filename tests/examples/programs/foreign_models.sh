# Models of others that are not as they should be, and files that say nothing.

test_foreign_models() {
  trained
  local data image=("$scratch"/pair/zero/*.png) copy=$scratch/foreign_copy
  data=$(cd "$here/../data/fixtures/pretrained" && pwd)
  copied() { rm -rf "$copy" && cp -r "$data/$1" "$copy"; }

  # No name is no file.
  refused 2 "--model is empty, expected a folder" predict --model "" "${image[0]}"
  refused 2 "--run is empty, expected a folder" evaluate --run "" "$scratch/pair"

  # Weights alone: heads by timm's name, or by number.
  local bare=$scratch/bare.safetensors
  cp "$data/timm_by_name/model.safetensors" "$bare"
  refused 1 "the weights do not tell the number of attention heads" predict --model "$bare" "${image[0]}"
  run 0 predict --model "$bare" --num-heads 3 --json "${image[0]}"
  says "$scratch/err" "the files do not say how images are prepared"
  run 0 predict --model "$bare" --architecture vit_tiny_patch16_224 --num-heads 3 --json "${image[0]}"
  refused 2 "the model has 3 heads, not 6" predict --model "$bare" --architecture vit_tiny_patch16_224 --num-heads 6 "${image[0]}"
  refused 2 "architecture \"vit_tiny_mine\" is not known" predict --model "$bare" --architecture vit_tiny_mine "${image[0]}"
  refused 1 "residual post-norm" predict --model "$bare" --architecture vit_base_patch16_rpn_224 "${image[0]}"
  refused 2 "the model has 2 heads, not 4" predict --model "$data/hf_vit" --num-heads 4 "${image[0]}"
  run 0 train "${settings[@]}" data.train="$scratch/pair" model.pretrained="$bare" model.num_heads=3 model.embedding_dim=12 \
    model.patch_size=4 model.num_layers=2 model.image_size=16 output.dir="$scratch/from_bare"

  # An architecture that timm does not have.
  copied timm_by_name
  sed -i 's/vit_tiny_patch16_224/vit_tiny_patch16_mine/' "$copy/config.json"
  refused 1 '"vit_tiny_patch16_mine" is not known here' predict --model "$copy" "${image[0]}"
  run 0 predict --model "$copy" --num-heads 3 "${image[0]}"
  says "$scratch/err" '"vit_tiny_patch16_mine" is not known, taken for a plain Vision Transformer'

  # A byte-order mark, as some editors write it.
  copied hf_vit
  run 0 predict --model "$copy" --json "${image[0]}"
  sed "s|$copy|COPY|" "$scratch/out" >"$scratch/without_mark"
  sed -i '1s/^/\xef\xbb\xbf/' "$copy/config.json" "$copy/preprocessor_config.json"
  run 0 predict --model "$copy" --json "${image[0]}"
  sed "s|$copy|COPY|" "$scratch/out" >"$scratch/with_mark"
  same "$scratch/without_mark" "$scratch/with_mark"
  printf '\xef\xbb\xbfdata:\n  train: %s\ntraining:\n  epochs: 1\n' "$scratch/pair" >"$scratch/marked.yaml"
  run 0 train --config "$scratch/marked.yaml" --cfg
  says "$scratch/out" "epochs: 1"
  says "$scratch/out" "train: \"$scratch/pair\""

  # Weights that are no numbers.
  copied hf_vit
  if command -v python3 >/dev/null; then
    python3 - "$copy/model.safetensors" <<'PYTHON'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
n = struct.unpack("<Q", data[:8])[0]
begin = 8 + n + json.loads(data[8:8 + n])["classifier.weight"]["data_offsets"][0]
data[begin:begin + 4] = struct.pack("<f", float("nan"))
open(sys.argv[1], "wb").write(data)
PYTHON
    refused 1 "classifier.weight holds nan" predict --model "$copy" "${image[0]}"
    run 1 predict --model "$copy" --allow-not-finite "${image[0]}"
    says "$scratch/err" 'the logit of class "kind 0" is nan'
    ! grep -q '%' "$scratch/out" || fail "a probability of a logit that is no number" "$scratch/out"
  fi

  # Several classes at once.
  copied hf_vit
  sed -i 's/"model_type": "vit"/"model_type": "vit", "problem_type": "multi_label_classification"/' "$copy/config.json"
  run 0 predict --model "$copy" --json --top 5 "${image[0]}"
  if command -v python3 >/dev/null; then
    python3 - "$scratch/out" <<'PYTHON' || fail "probabilities are not the sigmoids of the logits" "$scratch/out"
import json, math, sys
line = json.load(open(sys.argv[1]))
for one in line["top"]:
    logit = line["logits"][int(one["label"].split()[1])]
    assert abs(one["probability"] - 1 / (1 + math.exp(-logit))) < 1e-5
PYTHON
  fi
  run 0 export --model "$copy" --to transformers --out "$scratch/several"
  says "$scratch/several/config.json" '"problem_type": "multi_label_classification"'
}
