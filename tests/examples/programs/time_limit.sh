# A limit of time: it counts for each session, so that a run that is resumed often comes to its end.

test_time_limit() {
  digits
  local all=(data.train="$scratch/digits/train" training.epochs=4000 log.curves=no log.tensorboard=no) i steps before=0
  run 0 train "${settings[@]}" "${all[@]}" training.time_limit=1 output.dir="$scratch/limit"
  run_folder "$scratch/limit"
  for ((i = 0; i < 2; ++i)); do
    before=$(wc -l <"$run_dir/learning_rates_per_step.csv")
    run 0 train --resume "$run_dir" training.time_limit=1
    steps=$(($(wc -l <"$run_dir/learning_rates_per_step.csv") - before))
    ((steps > 1)) || grep -q '"status": "finished"' "$run_dir/result.json" || fail "a session of a second made $steps steps"
  done
  says "$scratch/out" "this session"
}
