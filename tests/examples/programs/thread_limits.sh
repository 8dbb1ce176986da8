# Limits of the process (ulimit -v): threads that cannot start. Words in every case, and no signal.

test_thread_limits() {
  trained
  local limit code said=0 fewer=0
  for limit in 60000 80000 100000 120000 150000 180000 220000 260000 300000 350000 400000 500000 700000; do
    if ! (ulimit -v $limit && "$bin/minivit" --version) &>/dev/null; then continue; fi
    rm -rf "$scratch/limited"
    code=0
    (
      ulimit -v $limit
      export OMP_NUM_THREADS=16
      exec "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" data.workers=8 output.dir="$scratch/limited"
    ) >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == 0 || $code == 1 ]] || fail "train, ulimit -v $limit: exit code $code" "$scratch/err"
    [[ $code == 0 ]] || says "$scratch/err" "minivit train: "
    ! grep -qE 'terminate called|bad_alloc|libgomp' "$scratch/err" || fail "train, ulimit -v $limit: no words" "$scratch/err"
    if compgen -G "$scratch/limited/*/*/result.json" >/dev/null; then
      ! grep -q bad_alloc "$scratch"/limited/*/*/result.json || fail "result.json, ulimit -v $limit: no words" "$(echo "$scratch"/limited/*/*/result.json)"
    fi
    if grep -q 'of 16 threads can be started' "$scratch/err"; then fewer=$((fewer + 1)); fi
    if [[ $code == 1 ]]; then said=$((said + 1)); fi
  done
  ((fewer > 0)) || fail "no limit kept a thread from starting: this tests nothing"
}
