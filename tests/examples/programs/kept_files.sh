# What somebody else wrote is never removed or replaced.

test_kept_files() {
  trained
  local image=("$scratch"/pair/zero/*.png) out=$scratch/kept
  mkdir -p "$out"
  # An exported model may be exported again. A card that was changed, or is another's, stays; so does a model of others.
  run 0 export --run "$trained_run" --to timm --out "$out/model"
  run 0 export --run "$trained_run" --to transformers --out "$out/model"
  echo "My results." >>"$out/model/README.md"
  cp -r "$out/model" "$out/before"
  refused 2 "README.md was not written by minivit or has been changed since" export --run "$trained_run" --to timm --out "$out/model"
  refused 2 "README.md was not written" probe --run "$trained_run" --train "$scratch/pair" --knn 5 --save "$out/model"
  mkdir -p "$out/readme"
  echo "# Mine" >"$out/readme/README.md"
  refused 2 "README.md was not written by minivit" export --run "$trained_run" --to timm --out "$out/readme"
  [[ $(cat "$out/readme/README.md") == "# Mine" ]] || fail "export replaced a README.md"
  rm "$out/model/README.md"
  refused 2 "a model that was not written by minivit" export --run "$trained_run" --to timm --out "$out/model"
  cp "$out/before/README.md" "$out/model"
  diff -r "$out/before" "$out/model" || fail "export changed what it refused to replace"

  # The names beside a matrix: those of an earlier one are replaced, another text is not.
  run 0 embed --run "$trained_run" --out "$out/f.npy" "$scratch/pair"
  run 0 embed --run "$trained_run" --out "$out/f.npy" "${image[0]}"
  [[ $(cat "$out/f.txt") == "${image[0]}" ]] || fail "embed: not the names" "$out/f.txt"
  echo "a thought" >"$out/notes.txt"
  refused 2 "notes.txt" embed --run "$trained_run" --out "$out/notes.npy" "$scratch/pair"
  [[ $(cat "$out/notes.txt") == "a thought" ]] || fail "embed replaced a text"
  absent "$out/notes.npy"
}
