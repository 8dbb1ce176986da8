# Sweeps over settings.

test_sweep() {
  trained
  local all=(data.train="$scratch/pair" log.tensorboard=no log.curves=no model.image_size=8 model.patch_size=2
    model.embedding_dim=16 model.num_heads=2 model.mlp_ratio=2)
  run 0 train "${all[@]}" training.epochs=2 --multirun model.num_layers=1,2 'training.lr=choice(0.001,0.005,1e-9)' \
    output.multirun="$scratch/sweeps"
  local sweep=("$scratch"/sweeps/*/*)
  [[ ${#sweep[@]} == 1 ]] || fail "a sweep made ${#sweep[@]} folders"
  exists "$sweep"/{0,1,2,3,4,5}/{config.yaml,overrides.yaml,result.json,best/model.safetensors}
  says "$scratch/out" "#0 : model.num_layers=1 training.lr=0.001"
  says "$scratch/out" "#5 : model.num_layers=2 training.lr=1e-9"
  head -n 1 "$sweep/summary.csv" | grep -qx 'job,status,val_acc,val_loss,best_epoch,epochs_done,seconds,model.num_layers,training.lr' ||
    fail "summary.csv: not the header" "$sweep/summary.csv"
  tail -n +2 "$sweep/summary.csv" | cut -d, -f3 | sort -rgc || fail "summary.csv is not sorted" "$sweep/summary.csv"

  # It goes on with what is missing, and leaves out what is done.
  rm -r "$sweep"/4/{last,best,result.json,training_history.csv}
  run 0 train --resume "$sweep"
  [[ $(grep -c 'done before' "$scratch/out") == 5 ]] || fail "a resumed sweep does again what was done" "$scratch/out"
  exists "$sweep/4/best/model.safetensors"

  # Halving; a job that fails does not stop the others.
  run 1 train "${all[@]}" model.num_layers=1 training.epochs=60 training.clip_norm=0 -m \
    training.lr=1e-9,0.005,1000,0.003 --halving 0.5 output.multirun="$scratch/halved"
  sweep=("$scratch"/halved/*/*)
  says "$scratch/err" "job #2 ended with exit code 3; the others go on"
  [[ $(grep -c ',halved,' "$sweep/summary.csv") == 1 && $(grep -c ',finished,' "$sweep/summary.csv") == 2 ]] ||
    fail "halving: not what was expected" "$sweep/summary.csv"
  run 0 train "${all[@]}" model.num_layers=1 training.epochs=1 -m --sampler random --trials 3 'training.lr=loguniform(1e-4,1e-2)' \
    output.multirun="$scratch/random"
  [[ $(wc -l <"$(echo "$scratch"/random/*/*/summary.csv)") == 4 ]] || fail "three trials make four lines"

  # Wrong ones are refused before anything is made.
  refused 2 "the sweep has 1000000 jobs, at most 10000" train data.train="$scratch/pair" -m \
    model.num_layers="$(seq -s, 100)" training.epochs="$(seq -s, 100)" training.seed="$(seq -s, 100)" output.multirun="$scratch/no_sweep"
  refused 2 "training.lr is \"x\"" train "${all[@]}" -m training.lr=0.1,x output.multirun="$scratch/no_sweep"
  refused 2 "needs --sampler random" train "${all[@]}" -m 'training.lr=uniform(0,1)' output.multirun="$scratch/no_sweep"
  absent "$scratch/no_sweep"
}
