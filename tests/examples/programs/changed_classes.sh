# A run whose classes are others when it is to go on.

test_changed_classes() {
  digits
  local data=$scratch/changing
  two_classes "$data"
  copies 20 2 "$data/two"
  tiny data.train="$data" output.dir="$scratch/changing_out" --until-epoch 1
  run_folder "$scratch/changing_out"
  mv "$data/two" "$scratch/two_put_aside"
  refused 1 "was trained on 3 classes, now there are 2; no longer there: two; a run goes on with the classes" train --resume "$run_dir"
  mkdir "$data/three"
  cp "$scratch/two_put_aside"/* "$data/three"
  refused 1 "was trained on 3 classes, now there are 3; no longer there: two; new: three; a run goes on" train --resume "$run_dir"
  rm -r "$data/three"
  mv "$scratch/two_put_aside" "$data/two"
  run 0 train --resume "$run_dir"
}
