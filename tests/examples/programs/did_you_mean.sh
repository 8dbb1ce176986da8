# Names that other programs give to settings, and what is said about them.

test_did_you_mean() {
  cd "$scratch"
  mkdir -p photos
  local known=(
    "learning_rate=0.1|training.lr" "weight-decay=0.1|training.weight_decay" "imgsz=64|model.image_size" "bs=8|training.batch_size"
    "batch=8|training.batch_size" "epochs=3|training.epochs" "num_epochs=3|training.epochs" "img_size=64|model.image_size"
    "lr0=0.1|training.lr" "workers=2|data.workers" "training.learning_rate=1|training.lr" "Training.LR=1|training.lr"
    "device=cuda|minivit computes on the CPU" "data=photos|data.train" "model=vit_base|model.pretrained=FOLDER"
    "optimizer.lr=1|training.lr" "class_weight=balanced|training.class_weights" "num_classes=3|sub-folders of data.train")
  local pair
  for pair in "${known[@]}"; do refused 2 "${pair#*|}" train data.train=photos "${pair%%|*}"; done
  refused 2 "did you mean data.train=photos?" train photos
  refused 2 "did you mean training.optimizer=adamw?" train data.train=photos adam
  refused 2 "did you mean --config my.yaml?" train my.yaml
  refused 2 "did you mean adamw?" train data.train=photos training.optimizer=Adam
  refused 2 "there is no option --data; did you mean data.train=photos?" train --data photos
  refused 2 "did you mean training.lr=0.1?" train data.train=photos --learning-rate 0.1
  refused 2 "did you mean training.epochs=5?" train data.train=photos --epochs=5
  refused 2 "did you mean training.batch_size=8?" train data.train=photos -b 8
  refused 2 "minivit computes on the CPU" train data.train=photos --device cuda
  refused 2 "did you mean --resume?" train --resum x
  refused 2 'unknown setting "xyzzy_quux"' train data.train=photos xyzzy_quux=1
  ! grep -q "did you mean" "$scratch/err" || fail "a suggestion for a word like nothing" "$scratch/err"
}
