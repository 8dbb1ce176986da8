# Evaluation goes on without images that cannot be read; all scores, tables and pictures; comparison with other models.

test_evaluate() {
  trained
  rm -rf "$scratch/some_bad"
  cp -r "$scratch/pair" "$scratch/some_bad"
  run 0 evaluate --run "$trained_run" --json "$scratch/some_bad"
  says "$scratch/out" '"images":40,'
  says "$scratch/out" "\"skipped\":0,\"model\":\"$trained_run/best\"}"
  local image=("$scratch"/pair/zero/*.png) i
  for i in 1 2 3; do head -c $((40 + i)) "${image[0]}" >"$scratch/some_bad/zero/bad$i.png"; done
  run 1 evaluate --run "$trained_run" "$scratch/some_bad"
  says "$scratch/out" "/40)"
  for i in 1 2 3; do says "$scratch/err" "zero/bad$i.png"; done
  says "$scratch/err" "minivit evaluate: 3 images were skipped"
  run 1 evaluate --run "$trained_run" --json "$scratch/some_bad"
  says "$scratch/out" '"images":40,'
  says "$scratch/out" '"skipped":3,'
  rm -r "$scratch/some_bad/one"
  find "$scratch/some_bad/zero" -name '0*.png' -delete
  refused 1 "none of 3 images can be read" evaluate --run "$trained_run" "$scratch/some_bad"

  # All scores, as tables and pictures.
  local report=$scratch/report name
  run 0 evaluate --run "$trained_run" --report "$report" "$scratch/pair"
  grep -qE '^accuracy [01]\.[0-9]{4} \([0-9]+/40\), with a probability of 95 % between 0\.[0-9]{4} and [01]\.[0-9]{4}$' "$scratch/out" ||
    fail "no interval of the accuracy" "$scratch/out"
  says "$scratch/err" "minivit evaluate: scores, tables and pictures are in $report"
  for name in confusion_matrix reliability; do
    [[ $(head -c 8 "$report/$name.png" | xxd -p) == 89504e470d0a1a0a ]] || fail "$name.png is no picture"
    [[ -s $report/$name.svg && -s $report/$name.gnuplot ]] || fail "$name has no drawing or script"
  done
  (($(wc -l <"$report/predictions.csv") == 41)) || fail "not a line for each image" "$report/predictions.csv"
  (($(wc -l <"$report/per_class.csv") == 3)) || fail "not a line for each class" "$report/per_class.csv"
  (($(wc -l <"$report/calibration.csv") == 16)) || fail "not fifteen bins" "$report/calibration.csv"
  says "$report/scores.json" '"cohen_kappa"'
  # Another model, the same images; a model is as good as itself.
  tiny data.train="$scratch/pair" output.dir="$scratch/other" training.seed=8 training.epochs=1
  run_folder "$scratch/other"
  run 0 evaluate --run "$trained_run" --against "$run_dir" --against "$trained_run" "$scratch/pair"
  says "$scratch/out" "$run_dir/"
  says "$scratch/out" "+0.0000 (with a probability of 95 % between +0.0000 and +0.0000); of 0 images only the first is right, of 0 only this one; p = 1"
  run 0 evaluate --run "$trained_run" --against "$run_dir" --json "$scratch/pair"
  says "$scratch/out" '"difference_low":'
  refused 1 "no such file or folder" evaluate --run "$trained_run" --against "$scratch/nothing" "$scratch/pair"
}
