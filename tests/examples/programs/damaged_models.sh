# Model directories that are damaged.

test_damaged_models() {
  trained
  local image=("$scratch"/pair/zero/*.png) copy=$scratch/copy
  damaged() { rm -rf "$copy" && cp -r "$model" "$copy"; }
  damaged
  head -c 3000 "$model/model.safetensors" >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  refused 1 "copy/model.safetensors" evaluate --model "$copy" "$scratch/pair"
  damaged
  printf '\377\377\377\377\377\377\377\177{}' >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  : >"$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  rm "$copy/model.safetensors"
  refused 1 "copy/model.safetensors" predict --model "$copy" "${image[0]}"
  damaged
  sed -i 's/"depth": 1/"depth": 2/' "$copy/config.json"
  refused 1 "missing: blocks.1.norm1.weight" predict --model "$copy" "${image[0]}"
  damaged
  sed -i 's/"num_heads": 2/"num_heads": 3/' "$copy/config.json"
  refused 1 "embedding_dim 16 is not divisible by num_heads 3" predict --model "$copy" "${image[0]}"
  damaged
  echo '{"model_args": ' >"$copy/config.json"
  refused 1 "copy/config.json" predict --model "$copy" "${image[0]}"

  # Classes of the folder that the model does not know.
  two_classes "$scratch/unknown"
  copies 3 2 "$scratch/unknown/two"
  refused 1 'class "two" is not among the 2 known classes' evaluate --model "$model" "$scratch/unknown"
}
