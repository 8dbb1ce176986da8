# Paths to a model: run folders, folders above and below them; the best run among those on the same data.

test_choose_model() {
  runs_to_choose_from
  local image=("$scratch"/pair/zero/*.png) run=$project/outputs/2026-01-02/10-00-00
  # took FOLDER: the model that answered.
  took() { says "$scratch/out" "\"model\":\"$1\""; }
  local option path
  for option in --run --model; do
    for path in "$run" "$run/" "$run/best" "$run/config.yaml" "$run/best/config.json" "$project/outputs/2026-01-02"; do
      run 0 predict $option "$path" --json "${image[0]}"
      [[ $(sed -E 's/.*"model":"([^"]*)".*/\1/' "$scratch/out") == "$run"*best ]] || fail "predict $option $path: another model" "$scratch/out"
    done
    run 0 predict $option "$run/last" --json "${image[0]}"
    took "$run/last"
    run 0 predict $option "$run/best/model.safetensors" --json "${image[0]}"
    took "$run/best/model.safetensors"
    refused 1 "$project/outputs: there are 3 runs with a model in it: $project/outputs/2026-01-03/10-00-00, " predict $option "$project/outputs" "${image[0]}"
    refused 2 "$option is empty, expected a folder" predict $option "" "${image[0]}"
    refused 1 "none of the 1 runs in it has a model" predict $option "$project/multirun" "${image[0]}"
  done
  for path in "$run" "$run/best" "$run/last"; do
    run 0 predict --latest --root "$path" --json "${image[0]}"
    took "$run/best"
  done
  run 0 evaluate --model "$run" "$scratch/pair"
  run 0 embed --model "$run" --out "$scratch/chosen.csv" "${image[0]}"

  # The best of runs on other data is no better. --data asks for them.
  pushd "$project" >/dev/null
  run 0 predict --best --json "${image[0]}"
  took outputs/2026-01-02/10-00-00/best
  says "$scratch/err" "best of 3 runs on $scratch/pair"
  sed -i 's,^  train: .*,  train: "elsewhere/",' outputs/2026-01-02/10-00-00/config.yaml
  run 0 predict --best --json "${image[0]}"
  took outputs/2026-01-03/10-00-00/best
  says "$scratch/err" "best of 2 runs on $scratch/pair"
  says "$scratch/err" "runs on other data are not compared"
  run 0 predict --best --data elsewhere --json "${image[0]}"
  took outputs/2026-01-02/10-00-00/best
  refused 2 'is on data with "nowhere" in its name' predict --best --data nowhere "${image[0]}"
  run 0 runs
  says "$scratch/out" "best model on elsewhere, 0.2 of it for validation: outputs/2026-01-02/10-00-00"
  says "$scratch/out" "best model on $scratch/pair, 0.2 of it for validation: outputs/2026-01-03/10-00-00"
  [[ $(grep -n '^data: ' "$scratch/out" | cut -d: -f1 | tr '\n' ' ') == "2 4 " ]] || fail "runs: not grouped by data" "$scratch/out"

  # A run without a finished epoch offers what it has.
  rm -r outputs/2026-01-03/10-00-00/best
  refused 1 "no epoch of this run is finished, there is no best/ yet; as it is now it is outputs/2026-01-03/10-00-00/last" predict --run outputs/2026-01-03/10-00-00 "${image[0]}"
  run 0 predict --run outputs/2026-01-03/10-00-00/last --json "${image[0]}"
  took outputs/2026-01-03/10-00-00/last
  run 0 predict --latest --json "${image[0]}"
  took outputs/2026-01-02/10-00-00/best
  says "$scratch/err" "the newest run has finished no epoch yet; as it is now it is --model outputs/2026-01-03/10-00-00/last"
  # So does an empty answer; the newer run is taken by its number.
  answering '\n' run 0 predict "${image[0]}"
  says "$scratch/out" "run number [2, the newest with a finished epoch]: outputs/2026-01-02/10-00-00/best"
  answering '3\n' run 0 predict "${image[0]}"
  says "$scratch/out" "outputs/2026-01-03/10-00-00/last"
  popd >/dev/null
}
