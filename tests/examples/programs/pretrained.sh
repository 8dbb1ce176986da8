# Models of others: what they are, what they see, trained further, handed back.

test_pretrained() {
  trained
  local models data common image=("$scratch"/pair/zero/*.png)
  data=$(cd "$here/../data/fixtures/pretrained" && pwd)
  models=("$data"/*/)
  run 0 inspect --brief "${models[@]}"
  says "$scratch/out" "hf_vit/: ViT, transformers' names"
  says "$scratch/out" "timm_dinov2_registers/: DINOv2 with registers, timm's names"
  says "$scratch/out" "5 classes: kind 0, kind 1"
  run 0 inspect --json "$data/hf_dinov2"
  says "$scratch/out" '"name":"dinov2.embeddings.cls_token","dtype":"F32","shape":[1,1,16],"as":"cls_token"'
  mkdir -p "$scratch/foreign"
  head -c 900 "$data/timm_vit/model.safetensors" >"$scratch/foreign/cut.safetensors"
  cp "$data/timm_by_name/model.safetensors" "$scratch/foreign/bare.safetensors"
  run 1 inspect "$scratch/foreign/cut.safetensors" "$scratch/foreign/nothing"
  says "$scratch/out" "cut.safetensors: refused: "
  says "$scratch/out" "nothing: refused: "
  run 1 inspect "$scratch/foreign/bare.safetensors"
  says "$scratch/out" "the weights do not tell the number of attention heads"
  run 0 inspect --architecture vit_tiny_patch16_224 "$scratch/foreign/bare.safetensors"

  # Every program takes them.
  run 0 predict --model "$data/hf_vit" --json "${image[@]:0:3}"
  says "$scratch/out" '"label":"kind '
  [[ $(cat "$scratch/err") == "minivit predict: model: $data/hf_vit" ]] || fail "predict: something else on standard error" "$scratch/err"
  run 0 predict --model "$scratch/foreign/bare.safetensors" --architecture vit_tiny_patch16_224 "${image[0]}"
  says "$scratch/err" "the files do not say how images are prepared"
  refused 2 "has no classes" predict --model "$data/hf_dinov2_model" "${image[0]}"
  run 0 embed --model "$data/hf_dinov2" --out "$scratch/foreign/f.csv" "${image[0]}"
  says "$scratch/foreign/f.csv" ",f31"

  # Trained further: its sizes and preparation are the defaults.
  common=(data.train="$scratch/pair" training.epochs=2 training.batch_size=16 log.tensorboard=no log.curves=no training.seed=3)
  run 0 train "${common[@]}" model.pretrained="$data/hf_deit" output.dir="$scratch/deit"
  run_folder "$scratch/deit"
  for line in "image_size: \"16\"" "embedding_dim: 16" "distillation: token" "fit: \"squash\"" "crop_pct: 0.888" "norm_eps: 1e-12"; do
    says <(tr -d '"' <"$run_dir/config.yaml") "${line//\"/}"
  done
  run 0 predict --run "$run_dir" "${image[0]}"
  run 0 train "${common[@]}" model.pretrained="$data/timm_dinov2_giant" training.freeze=1 training.layer_decay=0.7 \
    training.backbone_lr=0.5 model.head_dropout=0.1 model.image_size=24 output.dir="$scratch/giant"
  says "$scratch/err" "positions interpolated from 4x4 to 6x6 patches"
  says "$scratch/err" "the head is new"
  # Gray; and a little more at a higher resolution at the end.
  run 0 train "${common[@]}" model.pretrained="$data/hf_vit" model.channels=1 log.tensorboard=yes output.dir="$scratch/gray"
  says "$scratch/err" "input channels summed to one"
  run_folder "$scratch/gray"
  run 0 predict --run "$run_dir" "${image[0]}"
  run 0 train "${common[@]}" model.pretrained="$run_dir/best" model.image_size=24 training.epochs=1 output.dir="$scratch/finer"
  says "$scratch/err" "positions interpolated from 4x4 to 6x6 patches"
  refused 2 'freeze is "3", expected' train "${common[@]}" model.pretrained="$data/hf_vit" training.freeze=3 output.dir="$scratch/none"
  cp -r "$data/hf_vit" "$scratch/foreign/odd"
  sed -i 's/"num_attention_heads": 2/"num_attention_heads": 3/' "$scratch/foreign/odd/config.json"
  refused 1 "not divisible by num_heads 3" train "${common[@]}" model.pretrained="$scratch/foreign/odd" output.dir="$scratch/none"
  cp -r "$data/hf_vit" "$scratch/foreign/holed"  # a layer that the configuration does not speak of
  LC_ALL=C sed -i 's/layernorm_after/layernorm_aftex/g' "$scratch/foreign/holed/model.safetensors"
  refused 1 "missing: blocks.0.norm2.weight" train "${common[@]}" model.pretrained="$scratch/foreign/holed" output.dir="$scratch/none"
  refused 1 "nowhere" train "${common[@]}" model.pretrained="$scratch/nowhere" output.dir="$scratch/none"
  absent "$scratch/none"

  # Adapters: what is saved for others is an ordinary model; a run that was stopped ends with the same bits, and does not need
  # the model that it began with.
  cp -r "$data/hf_vit" "$scratch/foreign/vit"
  local adapted=("${common[@]}" training.epochs=4 model.pretrained="$scratch/foreign/vit" training.lora_rank=2 training.ema=0.9)
  run 0 train "${adapted[@]}" output.dir="$scratch/whole_lora"
  run 0 train "${adapted[@]}" output.dir="$scratch/cut_lora" --until-epoch 2
  rm -r "$scratch/foreign/vit"
  run_folder "$scratch/cut_lora"
  local cut=$run_dir
  run 0 predict --model "$cut/last" "${image[0]}"  # a model folder like any other
  run 0 train --resume "$cut"
  run_folder "$scratch/whole_lora"
  same_run "$run_dir" "$cut"
  run 0 predict --run "$cut" "${image[0]}"
  ! grep -aq lora "$cut/last/model.safetensors" || fail "adapters in last/"
  ! grep -aq lora "$cut/best/model.safetensors" || fail "adapters in best/"

  # Handed back, with a card; read again it says the same.
  local format
  for format in timm transformers transformers5; do
    run 0 export --run "$trained_run" --to $format --out "$scratch/foreign/$format"
    says "$scratch/foreign/$format/README.md" "| validation accuracy | "
    run 0 predict --model "$trained_run/best" --json "${image[@]}"
    sed -E 's/"model":"[^"]*",//' "$scratch/out" >"$scratch/foreign/expected"
    run 0 predict --model "$scratch/foreign/$format" --json "${image[@]}"
    sed -E -i 's/"model":"[^"]*",//' "$scratch/out"
    same "$scratch/foreign/expected" "$scratch/out"
  done
  run 0 export --run "$trained_run" --to onnx --out "$scratch/foreign/onnx"
  exists "$scratch/foreign/onnx/model.onnx"
  refused 2 "transformers has no model with a head on the mean" export --model "$data/timm_mean" --to transformers --out "$scratch/foreign/no"
  refused 2 "a folder with something else" export --run "$trained_run" --to onnx --out "$scratch/pair"
  mkdir -p "$scratch/project2"
  tee "$scratch/project2/"{README.md,config.json,main.c} <<<"mine" >/dev/null
  refused 2 "a folder with something else" export --run "$trained_run" --to onnx --out "$scratch/project2"
  refused 2 "a folder with something else" probe --run "$trained_run" --train "$scratch/pair" --knn 5 --save "$scratch/project2"
  exists "$scratch/project2/main.c"
  run 2 export --run "$trained_run" --to keras --out "$scratch/foreign/no"
  absent "$scratch/foreign/no"
}
