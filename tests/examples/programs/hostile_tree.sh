# A training inside a source tree that somebody else made: nothing of it is run, nothing in it is changed.

test_hostile_tree() {
  trained
  local tree=$scratch/tree
  if ! command -v git >/dev/null; then
    skip "a hostile tree (no git)"
    return
  fi
  rm -rf "$tree"
  mkdir -p "$tree"
  (
    cd "$tree"
    git init -q
    echo text >file
    git add file
    git -c user.name=a -c user.email=a@b commit -qm one
    printf '#!/bin/sh\ntouch "%s/run"\n' "$tree" >monitor
    chmod +x monitor
    git config core.fsmonitor "$tree/monitor"
    git config filter.all.clean "touch $tree/run; cat"
    echo '* filter=all' >.gitattributes
    cp -r .git ../git-before
    touch -d '1 hour ago' file
  )
  rm -f "$tree/run"
  local revision
  revision=$(cat "$tree"/.git/refs/heads/*)
  pushd "$tree" >/dev/null
  tiny data.train="$scratch/pair" output.dir="$scratch/in-tree"
  popd >/dev/null
  absent "$tree/run"
  diff -r "$scratch/git-before" "$tree/.git" >/dev/null || fail "train changed the repository around it"
  run_folder "$scratch/in-tree"
  says "$run_dir/result.json" "\"git\": \"${revision:0:8}\""
}
