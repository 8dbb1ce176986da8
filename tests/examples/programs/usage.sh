# The program itself: help, version, what is typed wrong.

test_usage() {
  run 0 --help
  local name
  for name in train predict evaluate runs export inspect embed probe fetch digits; do
    grep -qE "^  $name +[A-Z].*\.$" "$scratch/out" || fail "--help: no line for $name" "$scratch/out"
  done
  [[ $(awk 'length > 120' "$scratch/out") == "" ]] || fail "--help: lines that are too long" "$scratch/out"
  run 0 --version
  grep -qE '^minivit [0-9]+\.[0-9]+\.[0-9]+$' "$scratch/out" || fail "--version: no version" "$scratch/out"
  for name in 'instruction set: ' 'threads: ' 'libraries: Eigen ' 'compiler: '; do says "$scratch/out" "$name"; done
  run 2 trian data.train=photos
  says "$scratch/err" 'minivit: there is no subcommand "trian"; did you mean "train"?'
  run 2
  says "$scratch/err" "expected a subcommand"
  run 2 --nonsense
  run 2 predict --modle a image.png
  says "$scratch/err" "minivit predict: "
  says "$scratch/err" "did you mean --model?"
  [[ ! -s $scratch/out ]] || fail "a wrong option, and yet something on standard output" "$scratch/out"
  for name in train predict evaluate runs export inspect embed probe fetch digits; do
    run 0 "$name" --help
    says "$scratch/out" "minivit $name"
    [[ ! -s $scratch/err ]] || fail "$name --help: something on standard error" "$scratch/err"
  done
}
