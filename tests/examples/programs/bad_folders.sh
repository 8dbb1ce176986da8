# Folders of images that are refused.

test_bad_folders() {
  digits
  local out=$scratch/refused
  # bad MESSAGE FOLDER ARGUMENT…
  bad() { refused 1 "$1" train "${settings[@]}" data.train="$2" output.dir="$out" "${@:3}"; }
  bad "nowhere: no such folder" "$scratch/nowhere"
  bad "0000.png: not a folder" "$scratch/digits/train/0/0000.png"
  mkdir -p "$scratch/empty"
  bad "empty: holds no folders" "$scratch/empty"
  two_classes "$scratch/gap"
  mkdir "$scratch/gap/nothing"
  bad 'class "nothing" holds no images' "$scratch/gap"
  copies 5 0 "$scratch/single/zero"
  bad 'holds only the class "zero", expected at least two' "$scratch/single"
  two_classes "$scratch/unpacked/photos"
  bad "unpacked: holds only the class \"photos\", expected at least two; did you mean $scratch/unpacked/photos?" "$scratch/unpacked"
  two_classes "$scratch/fine"
  two_classes "$scratch/more"
  copies 3 2 "$scratch/more/two"
  bad 'class "two" is not among the 2 known classes' "$scratch/fine" data.val="$scratch/more"
  bad "nowhere: no such folder" "$scratch/fine" data.val="$scratch/nowhere"
  absent "$out"

  if [[ $(id -u) != 0 ]]; then
    two_classes "$scratch/locked"
    chmod 000 "$scratch/locked/one"
    bad "locked/one: cannot be read" "$scratch/locked"
    chmod 700 "$scratch/locked/one"
  elif command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups test -x "$bin/minivit"; then
    two_classes "$scratch/locked"
    chmod 000 "$scratch/locked/one"
    local code=0
    setpriv --reuid=65534 --clear-groups "$bin/minivit" train data.train="$scratch/locked" output.dir="$out" >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == 1 ]] || fail "train on a locked folder: exit code $code, expected 1" "$scratch/err"
    says "$scratch/err" "locked/one: cannot be read"
    absent "$out"
  else
    skip "a folder that cannot be read (root reads everything)"
  fi
}
