# What bash completes, as its completion asks.

test_completion() {
  run 0 --completion bash
  bash -n "$scratch/out" || fail "the completion script is not bash" "$scratch/out"
  cp "$scratch/out" "$scratch/completion.bash"
  refused_completion=$("$bin/minivit" --completion fish 2>&1) && fail "--completion fish: expected an error"
  [[ $refused_completion == *"expected bash"* ]] || fail "--completion fish: $refused_completion"
  # completes EXPECTED WORD…: the last word may become these.
  completes() {
    local expected=$1 found
    shift
    found=$(bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _minivit; printf "%s\n" "${COMPREPLY[@]}"' \
      bash "$scratch/completion.bash" "$@" | sort | tr '\n' ' ')
    [[ $found == "$expected " ]] || fail "completion of $*: $found, expected $expected"
  }
  completes "embed evaluate explain export" minivit e
  completes "--version" minivit --v
  completes "--model" minivit predict --mo
  completes "training.label_smoothing=" minivit train training.lab
  completes "base" minivit train model.preset = b
  completes "predict pretrain probe" minivit pr
  completes "pretrain.mask=" minivit pretrain pretrain.m
  completes "false true" minivit pretrain pretrain.normalize_pixels = ""
  completes "false true" minivit train log.curves =
  completes "accuracy date" minivit runs --sort ""
  completes "diff" minivit runs di
  completes "delete" minivit runs de
  cd "$scratch"
  mkdir -p photos && : >photo.png
  completes "photo.png photos" minivit predict --latest phot
  completes "photos" minivit train data.train = photos
  completes "photo.png photos" minivit predict --model phot
}
