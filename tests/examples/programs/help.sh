# Help of every subcommand.

test_help() {
  run 0 train --help
  says "$scratch/out" "training.lr="
  says "$scratch/out" "model.image_size="
  # What most people change stands above the options.
  head -n 8 "$scratch/out" | grep -q "data.train=" || fail "train --help does not begin with the usual settings" "$scratch/out"
  [[ $(sed -n '/^All others/q;p' "$scratch/out" | grep -cE '^  [a-z]+\.[a-z_]+=') == 10 ]] ||
    fail "train --help: the usual settings are not ten" "$scratch/out"
  # That most of them are chosen, and by what.
  head -n 7 "$scratch/out" | grep -q "training.budget" || fail "train --help does not say that settings are chosen" "$scratch/out"
  says "$scratch/out" "Fine-tuning:"
  run 2 train
  says "$scratch/err" "data.train="
  local program
  run 0 runs --help
  says "$scratch/out" "diff"
  for program in predict evaluate embed probe export; do
    run 0 "$program" --help
    says "$scratch/out" "--run"
    run 2 "$program"
    run 2 "$program" --model a --run b image.png
    run 2 "$program" --modle a image.png
    [[ -s $scratch/err ]] || fail "$program: nothing said about an unknown option"
  done
}
