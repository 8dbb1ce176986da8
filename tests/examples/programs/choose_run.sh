# The choice of a run by the user.

test_choose_run() {
  runs_to_choose_from
  local image=("$scratch"/pair/zero/*.png) root=(--root "$project/outputs" --root "$project/multirun")
  took() { says "$scratch/out" "outputs/2026-01-0$1/10-00-00/best"; }

  # The runs with a model, the newest last; a number, then images until an empty line.
  answering "2\n${image[0]}\n$scratch/pair/one\n\nnever read\n" run 0 predict "${root[@]}"
  took 2
  grep -qE '^1  2026-01-01 10:00:00  finished +2/2   0.5000 +image_size=8 .* lr=0.001 seed=7$' "$scratch/out" ||
    fail "predict: the table is not as expected" "$scratch/out"
  [[ $(grep -oE '2026-01-0[1-4].10.00.00 ' "$scratch/out" | tr '\n' ,) == '2026-01-01 10:00:00 ,2026-01-02 10:00:00 ,2026-01-03 10:00:00 ,' ]] ||
    fail "predict: expected the three runs with a model, the newest last" "$scratch/out"
  [[ $(grep -cE '  (zero|one) [0-9.]+%$' "$scratch/out") == 21 ]] || fail "predict: expected 21 images" "$scratch/out"
  [[ ! -s $scratch/err ]] || fail "predict: something on standard error" "$scratch/err"

  # Nothing is the newest. Images of the command line are not asked for.
  answering '\n' run 0 predict "${root[@]}" "${image[0]}"
  took 3
  ! grep -q 'image or folder' "$scratch/out" || fail "predict asks for images although there are some" "$scratch/out"
  # Wrong numbers are asked for again, three times; the end of the input is no choice.
  answering '9\nx\n 1 \n' run 0 predict "${root[@]}" "${image[0]}"
  says "$scratch/out" '"x" is no number in the table'
  took 1
  answering '0\n4\n-1\n1\n' run 2 predict "${root[@]}" "${image[0]}"
  says "$scratch/err" "no run was chosen in three attempts"
  run 2 predict "${root[@]}" "${image[0]}"
  says "$scratch/err" "no run was chosen; name it with --run"
  answering '1\n' run 0 predict "${root[@]}"
  # An image that cannot be read ends nothing. Quotes around a name are not part of it.
  answering "1\nnowhere.png\n'${image[0]}'\n" run 1 predict "${root[@]}"
  says "$scratch/err" "nowhere.png: no such file or folder"
  grep -qE '  (zero|one) [0-9.]+%$' "$scratch/out" || fail "predict: no image after one that cannot be read" "$scratch/out"
  # With --json, standard output has nothing else.
  answering "3\n${image[0]}\n" run 0 predict "${root[@]}" --json
  says "$scratch/err" "run number [newest]: "
  [[ $(wc -l <"$scratch/out") == 1 && $(head -c 9 "$scratch/out") == '{"image":' ]] || fail "predict --json: not only JSON" "$scratch/out"

  # For scripts, here with the folders that are looked in by default. The best run has other weights than the newest: what is
  # predicted tells which one was taken.
  tiny data.train="$scratch/pair" training.seed=8 output.dir="$scratch/other_seed"
  run_folder "$scratch/other_seed"
  pushd "$project" >/dev/null
  cp "$run_dir/best/model.safetensors" outputs/2026-01-02/10-00-00/best
  run 0 predict --json --run outputs/2026-01-02/10-00-00 "${image[0]}"
  mv "$scratch/out" "$scratch/of_best"
  run 0 predict --json --run outputs/2026-01-03/10-00-00 "${image[0]}"
  mv "$scratch/out" "$scratch/of_latest"
  ! cmp -s "$scratch/of_best" "$scratch/of_latest" || fail "predict: two models predict the same"
  run 0 predict --json --best "${image[0]}"
  same "$scratch/out" "$scratch/of_best"
  run 0 predict --json --latest "${image[0]}"
  same "$scratch/out" "$scratch/of_latest"
  run 0 evaluate --best "$scratch/pair"
  says "$scratch/out" "/40)"
  rm outputs/2026-01-03/10-00-00/best/config.json
  refused 1 "outputs/2026-01-03/10-00-00/best/config.json" predict --latest "${image[0]}"
  refused 1 "outputs/2026-01-03/10-00-00/best/config.json" evaluate --latest "$scratch/pair"
  run 2 predict --latest
  says "$scratch/err" "images"
  run 2 predict --latest --best "${image[0]}"
  run 2 predict --run "" --latest "${image[0]}"
  refused 2 "--run is empty, expected a folder" predict --run "" "${image[0]}"
  popd >/dev/null
  rm -r "$project"/outputs/*/*/{best,last}
  refused 2 "no runs with a model in $project/outputs" predict --root "$project/outputs"
  refused 2 "no runs in nowhere (no such folder)" predict --root nowhere --best "${image[0]}"
}
