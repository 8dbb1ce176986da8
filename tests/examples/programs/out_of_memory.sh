# Memory that is too small for the batch: the program says so, and what it had saved stays as it was.

test_out_of_memory() {
  digits
  local limit=300000 code=0  # KiB of address space; the batch needs three times as much
  if ! (ulimit -v $limit && "$bin/minivit" train --help) &>"$scratch/out"; then
    skip "out_of_memory: the programs of this build need more address space to start"
    return
  fi
  run 0 train data.train="$scratch/digits/train" data.workers=0 data.hflip=0 model.image_size=8 model.patch_size=1 \
    model.embedding_dim=64 model.num_layers=4 model.num_heads=2 model.mlp_ratio=4 training.epochs=2 training.batch_size=1024 \
    training.seed=7 output.dir="$scratch/big" --until-epoch 1
  run_folder "$scratch/big"
  cp -r "$run_dir/best" "$scratch/best_before"
  (
    ulimit -v $limit
    export OMP_NUM_THREADS=2 MALLOC_ARENA_MAX=1  # with more threads it is the threads that do not fit
    exec "$bin/minivit" train --resume "$run_dir"
  ) >"$scratch/out" 2>"$scratch/err" || code=$?
  [[ $code == 1 ]] || fail "train with too little memory: exit code $code, expected 1" "$scratch/err"
  says "$scratch/err" "out of memory; try a smaller batch"
  says "$run_dir/result.json" '"error": "out of memory; try a smaller batch'
  diff -r "$scratch/best_before" "$run_dir/best" >"$scratch/out" || fail "best/ is not what it was" "$scratch/out"
  run 0 train --resume "$run_dir"  # and with enough memory it goes on
}
