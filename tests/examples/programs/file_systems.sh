# File systems with less than Linux's own: without locks, without the exchange of two folders, overlays (EXDEV).

# answer FOLDER: what the model says about $probe_image, without the names that differ.
answer() {
  "$bin/minivit" predict --model "$1" --json "$probe_image" 2>"$scratch/err" | sed -E 's/"model":"[^"]*",//' || { fail "the model in $1 cannot be read" "$scratch/err"; echo none; }
}

test_file_systems() {
  digits
  local all=(data.train="$scratch/digits/train" training.epochs=4 log.curves=no) image fault n kinds
  image=("$scratch"/digits/test/3/*.png)
  probe_image=${image[0]}
  tiny "${all[@]}" output.dir="$scratch/whole"
  run_folder "$scratch/whole"
  local whole=$run_dir

  # Without locks: a training runs, keeps others out, and a killed one can go on.
  local slow=(training.epochs=100000 training.save_seconds=0.01) pid i code
  with_faults 'flock:ENOLCK:+:*' exec "$bin/minivit" train "${settings[@]}" "${all[@]}" "${slow[@]}" output.dir="$scratch/lockless" &>"$scratch/log" & pid=$!
  for ((i = 0; i < 100; ++i)); do
    if compgen -G "$scratch/lockless/*/*/last" >/dev/null; then break; fi
    sleep 0.1
  done
  run_folder "$scratch/lockless"
  with_faults 'flock:ENOLCK:+:*' refused 1 "another process is training there" train --resume "$run_dir"
  with_faults 'flock:ENOLCK:+:*' run 0 runs --root "$scratch/lockless"
  says "$scratch/out" "running"
  kill -KILL $pid
  wait $pid 2>/dev/null || true
  with_faults 'flock:ENOLCK:+:*' run 0 runs --root "$scratch/lockless"
  says "$scratch/out" "stopped"
  with_faults 'flock:ENOLCK:+:*' run 0 train --resume "$run_dir" training.time_limit=0.1
  absent "$run_dir/.minivit-lock"
  echo $'1\n2\nanother machine' >"$run_dir/.minivit-lock"  # nobody knows whether that one lives
  with_faults 'flock:ENOLCK:+:*' refused 1 "remove this file" train --resume "$run_dir"
  exists "$run_dir/.minivit-lock"

  # Without the exchange of folders, and where a folder cannot be renamed: the same run, with readers at the same time.
  for fault in 'renameat2:EINVAL:+:*' 'renameat2:ENOSYS:+:*' 'renameat2:EOPNOTSUPP:+:*' 'renameat2:EXDEV:+:*;rename:EXDEV:+:*.old'; do
    rm -rf "$scratch/other"
    with_faults "$fault" exec "$bin/minivit" train "${settings[@]}" "${all[@]}" training.save_seconds=0.01 output.dir="$scratch/other" &>"$scratch/log" & pid=$!
    n=0
    while kill -0 $pid 2>/dev/null; do
      if compgen -G "$scratch/other/*/*/best" >/dev/null; then
        run_folder "$scratch/other"
        with_faults "$fault" run 0 predict --model "$run_dir/last" "$probe_image"
        with_faults "$fault" run 0 predict --run "$run_dir" "$probe_image"
        n=$((n + 1))
      fi
    done
    code=0
    wait $pid || code=$?
    [[ $code == 0 ]] || fail "train with $fault and readers: exit code $code" "$scratch/log"
    run_folder "$scratch/other"
    [[ -z $(find "$run_dir" -name '.*') ]] || fail "$fault: train left temporary files in $run_dir"
    same_run "$whole" "$run_dir"
    with_faults "$fault" run 0 train --resume "$run_dir"
    with_faults "$fault" run 0 export --run "$run_dir" --to timm --out "$scratch/exported"
    with_faults "$fault" run 0 export --run "$run_dir" --to timm --out "$scratch/exported"
  done

  # Killed at every rename and removal of an export over another: the old model or the new one, whole.
  tiny "${all[@]}" training.seed=8 output.dir="$scratch/second"
  run_folder "$scratch/second"
  local second=$run_dir old new now olds=0 news=0 call
  old=$(answer "$whole/best")
  new=$(answer "$second/best")
  [[ $old != "$new" ]] || fail "two models say the same: this tests nothing"
  for fault in 'renameat2:EINVAL:+:*' 'renameat2:EXDEV:+:*;rename:EXDEV:+:*.old'; do
    for call in rename unlink; do
      for ((n = 1; n < 30; ++n)); do
        rm -rf "$scratch/to"
        mkdir "$scratch/to"
        run 0 export --run "$whole" --to timm --out "$scratch/to/model"
        code=0
        with_faults "$fault;$call:KILL:$n:$scratch/to/*" "$bin/minivit" export --run "$second" --to timm --out "$scratch/to/model" &>"$scratch/log" || code=$?
        [[ $code != 0 ]] || break
        [[ $code == 137 ]] || fail "export with $fault, killed at $call $n: exit code $code" "$scratch/log"
        now=$(answer "$scratch/to/model")
        case $now in
          "$old") olds=$((olds + 1)) ;;
          "$new") news=$((news + 1)) ;;
          *) fail "export with $fault, killed at $call $n: neither the old model nor the new one" ;;
        esac
        run 0 export --run "$second" --to timm --out "$scratch/to/model"
        [[ $(ls -A "$scratch/to") == model ]] || fail "killed at $call $n: something is left: $(ls -A "$scratch/to")"
      done
      ((n > 2)) || fail "export with $fault is not killed at $call"
    done
  done
  ((olds > 4 && news > 1)) || fail "kills left $olds old and $news new models: this tests too little"

  # A real overlay, where one may be mounted: run and export are in its lower layer.
  if ! tmpfs "$scratch/full" 64m; then
    skip "an overlay (mounting is not allowed)"
    return
  fi
  local overlay=$scratch/overlay lower=$scratch/full/lower
  mkdir -p "$scratch"/full/{lower,upper,work} "$overlay"
  tiny "${all[@]}" output.dir="$lower/cut" --until-epoch 2
  run 0 export --run "$whole" --to timm --out "$lower/model"
  if mount -t overlay overlay -o "lowerdir=$lower,upperdir=$scratch/full/upper,workdir=$scratch/full/work" "$overlay" 2>/dev/null; then
    run_folder "$overlay/cut"
    run 0 train --resume "$run_dir"
    same_run "$whole" "$run_dir"
    run 0 export --run "$second" --to timm --out "$overlay/model"
    [[ $(answer "$overlay/model") == "$new" ]] || fail "an export over one in the lower layer of an overlay"
    [[ -z $(find "$overlay" -name '.*') ]] || fail "left in the overlay: $(find "$overlay" -name '.*')"
    umount "$overlay"
  else
    skip "an overlay (mounting is not allowed)"
  fi
}
