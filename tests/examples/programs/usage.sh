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
  # Names of other programs.
  run 2 eval photos
  says "$scratch/err" 'minivit: there is no subcommand "eval"; did you mean "evaluate"?'
  run 2 classify cat.jpg
  says "$scratch/err" 'did you mean "predict"?'
  for name in -v version --versio; do
    run 2 $name
    says "$scratch/err" 'did you mean "--version"?'
  done
  run 2 --completion
  says "$scratch/err" "minivit: --completion: expected bash"
  run 2
  says "$scratch/err" "expected a subcommand"
  # What is missing, in words.
  refused 2 "expected images" evaluate --latest
  refused 2 "expected one of --run, --model, --latest, --best" evaluate photos
  refused 2 "expected only one of --run, --model, --latest, --best" predict --latest --best cat.jpg
  refused 2 "--resume: expected a value" train --resume
  refused 2 "--trials requires --multirun" train data.train=photos --trials 3
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
