# Help of every subcommand.

test_help() {
  run 0 train --help
  says "$scratch/out" "training.lr="
  says "$scratch/out" "model.image_size="
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
