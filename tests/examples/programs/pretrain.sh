# Learning without labels, and a training that begins with what was learned.

# A tiny autoencoder; `tiny_pretrain ARGUMENT…` trains it.
tiny_pretrain() { run 0 pretrain "${settings[@]}" pretrain.decoder_dim=16 pretrain.decoder_heads=2 "$@"; }

test_pretrain() {
  digits
  local own=$scratch/pretraining  # other tests have folders of the same names
  mkdir -p "$own"
  local data=$scratch/digits/train
  # A folder with classes, which do not matter.
  tiny_pretrain data.train="$data" output.dir="$own/classes"
  says "$scratch/out" "of 16 patches 12 are hidden"
  says "$scratch/out" "minivit train model.pretrained="
  run_folder "$own/classes"
  local run=$run_dir
  exists "$run"/{config.yaml,overrides.yaml,result.json,train.log,training_history.csv,reconstructions.png,best/model.safetensors}
  exists "$run"/events.out.tfevents.*
  absent "$run/class_mapping.json"
  says "$run/training_history.csv" "epoch,train_loss,val_loss,lr,seconds,images_per_second"
  says "$run/result.json" '"best_val_loss"'
  ! grep -q "best_val_acc" "$run/result.json" || fail "a run without labels has an accuracy" "$run/result.json"
  if command -v gnuplot >/dev/null; then exists "$run"/training_curves.png; fi

  # Images in the folder itself and in folders of any depth.
  mkdir -p "$own/flat/a/b/c"
  cp "$data"/0/*.png "$own/flat"
  cp "$data"/1/*.png "$own/flat/a/b/c"
  tiny_pretrain data.train="$own/flat" output.dir="$own/of_flat"
  says "$scratch/out" "$(find "$own/flat" -name '*.png' | wc -l) .png"

  # The same bits with any number of threads, and after kills at any moment, also within an epoch.
  local all=(data.train="$data" model.stem=conv model.pooling=sequence model.class_token=false training.epochs=12
    model.dropout=0.1 training.ema=0.9 training.accumulate=2 data.hflip=0.5 training.save_seconds=0.02) threads
  tiny_pretrain "${all[@]}" output.dir="$own/whole"
  run_folder "$own/whole"
  local whole=$run_dir
  for threads in 1 2 3; do
    OMP_NUM_THREADS=$threads tiny_pretrain "${all[@]}" data.workers=$threads output.dir="$own/threads$threads"
    run_folder "$own/threads$threads"
    same "$whole/best/model.safetensors" "$run_dir/best/model.safetensors"
    same "$whole/reconstructions.png" "$run_dir/reconstructions.png"
  done
  local begin=("$bin/minivit" pretrain "${settings[@]}" pretrain.decoder_dim=16 pretrain.decoder_heads=2 "${all[@]}" output.dir="$own/killed")
  "${begin[@]}" &>"$scratch/log" & local pid=$! i kills=0 code
  for ((i = 0; kills < 8 && i < 100; ++i)); do
    sleep "0.$(printf '%03d' $((RANDOM % 200 + 5)))"
    kill -KILL $pid 2>/dev/null || true
    code=0
    wait $pid 2>/dev/null || code=$?
    if [[ $code == 0 ]]; then break; fi
    [[ $code == 137 ]] || fail "pretrain --resume: exit code $code" "$scratch/log"
    kills=$((kills + 1))
    if compgen -G "$own/killed/*/*" >/dev/null; then
      run_folder "$own/killed"
      "$bin/minivit" pretrain --resume "$run_dir" &>"$scratch/log" & pid=$!
    else
      "${begin[@]}" &>"$scratch/log" & pid=$!
    fi
  done
  wait $pid 2>/dev/null || fail "pretrain --resume: the last one" "$scratch/log"
  run_folder "$own/killed"
  same_run "$whole" "$run_dir"
  [[ $kills -ge 2 ]] || fail "pretrain ended before it could be killed more than $kills times"
  [[ -z $(find "$run_dir" -name '.*') ]] || fail "pretrain left temporary files in $run_dir"
  run 0 pretrain --resume "$run_dir"
  says "$scratch/out" "to train longer: minivit pretrain --resume"

  # Stopped by the clock, and by an epoch.
  tiny_pretrain "${all[@]}" training.time_limit=0.05 output.dir="$own/limit"
  says "$scratch/out" "to go on: minivit pretrain --resume"
  run_folder "$own/limit"
  run 0 pretrain --resume "$run_dir" training.time_limit=0 --until-epoch 2
  run 0 pretrain --resume "$run_dir" training.time_limit=0
  same "$whole/best/model.safetensors" "$run_dir/best/model.safetensors"

  # What others make of it.
  run 0 train data.train="$data" model.pretrained="$whole" training.epochs=1 data.hflip=0 output.dir="$own/tuned"
  run_folder "$own/tuned"
  run 0 evaluate --run "$run_dir" "$scratch/digits/test"
  refused 2 "is a run of minivit train; to go on with it: minivit train --resume" pretrain --resume "$run_dir"
  refused 2 "is a run of minivit pretrain; to go on with it: minivit pretrain --resume" train --resume "$whole"
  run 0 train data.train="$data" model.pretrained="$whole" training.budget=2s output.dir="$own/chosen"
  says "$scratch/out" "training.optimizer=muon"
  ! grep -q "training.freeze" "$scratch/out" || fail "a model that has seen no labels is frozen" "$scratch/out"
  refused 2 "the model has no classes" predict --run "$whole" "$data"/0/*.png
  refused 2 "the model has no classes" evaluate --run "$whole" "$data"
  run 0 embed --run "$whole" "$data/0" --out "$own/features.npy"
  run 0 probe --run "$whole" --train "$data"
  run 0 inspect --brief "$whole"
  says "$scratch/out" "no head, features"
  run 0 runs --root "$own/whole"
  says "$scratch/out" "pretrain "

  # Time instead of epochs.
  run 0 pretrain data.train="$data" --explain output.dir="$own/none"
  says "$scratch/out" "model.stem=conv"
  absent "$own/none"
  run 0 pretrain data.train="$own/flat" training.budget=3s output.dir="$own/budget"
  run_folder "$own/budget"
  says "$run_dir/config.yaml" 'budget: "3s"'
  says "$run_dir/config.yaml" "mask: 0.75"
  run 0 pretrain --config "$run_dir/config.yaml" --until-epoch 1 output.dir="$own/again"
  ! grep -q "chosen for" "$scratch/out" || fail "a complete configuration is chosen anew" "$scratch/out"

  # What is refused.
  refused 2 "data.train is not set" pretrain
  refused 2 "pretrain.mask" pretrain data.train="$data" pretrain.mask=1
  refused 2 "decoder_dim is 30" pretrain data.train="$data" pretrain.decoder_dim=30
  refused 2 "label_smoothing" pretrain data.train="$data" training.label_smoothing=0.1
  refused 2 "pretrain.mask" train data.train="$data" pretrain.mask=0.5
  refused 2 "one patch only" pretrain data.train="$data" training.epochs=1 model.image_size=8 model.patch_size=8
  refused 2 "only training.time_limit" pretrain --resume "$whole" training.lr=1
  refused 1 "holds no images" pretrain data.train="$(mkdir -p "$own/empty" && echo "$own/empty")"
  code=0
  "$bin/minivit" pretrain "${settings[@]}" data.train="$data" training.lr=1000 training.clip_norm=0 training.epochs=30 training.warmup=0 \
    output.dir="$own/far" &>"$scratch/log" || code=$?
  [[ $code == 3 ]] || fail "a loss that is not finite: exit code $code" "$scratch/log"
  says "$scratch/log" "lower the learning rate"
}
