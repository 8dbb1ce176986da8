# Configuration files and what they inherit.

test_configuration() {
  trained
  cd "$scratch"
  run 0 train --cfg data.train=photos training.lr=1e-4 '~model.dropout' +notes.why=because
  says "$scratch/out" "lr: 1e-04"
  says "$scratch/out" '"why": "because"'
  cp "$scratch/out" "$scratch/resolved.yaml"
  run 0 train --cfg --config "$scratch/resolved.yaml"
  same "$scratch/out" "$scratch/resolved.yaml"
  local name
  for name in digits cifar10 mini finetune; do
    local more=()
    [[ $name != finetune ]] || more=(model.pretrained="$model")
    run 0 train --cfg --config-name $name data.train=photos "${more[@]}"
    [[ $(wc -l <"$scratch/out") -gt 40 ]] || fail "--cfg: not the whole configuration" "$scratch/out"
  done
  run 0 train --cfg --config-name digits
  says "$scratch/out" "embedding_dim: 96"
  # Fine-tuning without a model to begin with would be something else.
  refused 2 "model.pretrained has to be given" train --config-name finetune data.train=photos
  refused 2 "finetune.yaml: line " train --config-name finetune data.train=photos
  refused 2 "model.pretrained has to be given" train --config-name finetune data.train=photos -m training.lr=1,2
  run 0 train --cfg --config-name finetune data.train=photos '~model.pretrained'
  # All jobs of a sweep, none of which is trained.
  run 0 train --cfg -m data.train=photos training.lr=0.1,0.2 model.num_layers=1,2 output.multirun="$scratch/no_sweep"
  [[ $(grep -c '^---$' "$scratch/out") == 4 && $(grep -c '^  lr: 0.1$' "$scratch/out") == 2 ]] ||
    fail "--multirun --cfg: not all jobs" "$scratch/out"
  says "$scratch/out" "# #3 : data.train=photos training.lr=0.2 model.num_layers=2"
  absent "$scratch/no_sweep"
  refused 2 'training.lr is "x"' train --cfg -m data.train=photos training.lr=0.1,x
  refused 2 "only " train --config-name nothing
  refused 2 "no such file" train --config nowhere.yaml
  printf 'training: {lr: 0.1\n' >bad.yaml
  refused 2 "bad.yaml: line 2, column 1" train --config bad.yaml
  printf 'training:\n  lr: fast\n' >bad.yaml
  refused 2 'bad.yaml: line 2, column 7: training.lr is "fast", expected a number' train --config bad.yaml data.train=photos
  printf 'training:\n  learning_rate: 1\n' >bad.yaml
  refused 2 'bad.yaml: line 2, column 18: unknown setting "training.learning_rate"' train --config bad.yaml data.train=photos
  printf 'training:\n\tlr: 1\n' >bad.yaml
  refused 2 "a tab stands before the name, expected blanks" train --config bad.yaml data.train=photos
  refused 2 "--config $scratch: not a file" train --config "$scratch"
  # In the source tree of a newer version: what is read without being asked for is what came with the program.
  mkdir -p newer/examples/configs
  printf 'training:\n  newer: 1\n' >newer/examples/configs/config.yaml
  cd newer
  run 0 train --cfg data.train=photos
  says "$scratch/out" 'budget: "30m"'
  refused 2 'examples/configs/config.yaml: line 2, column 10: unknown setting "training.newer"' train --cfg --config-name config data.train=photos
  mkdir configs && printf 'training:\n  epochs: 7\n' >configs/config.yaml
  run 0 train --cfg data.train=photos
  says "$scratch/out" "epochs: 7"
  cd ..
  refused 2 "model is a section" train data.train=photos model=small
  refused 2 "write it without the +" train --config resolved.yaml +training.lr=1
  refused 2 "add --multirun" train data.train=photos training.lr=0.1,0.2
}
