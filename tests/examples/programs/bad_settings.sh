# Settings that are refused.

test_bad_settings() {
  digits
  two_classes "$scratch/small"
  local out=$scratch/refused
  # bad MESSAGE ARGUMENT…
  bad() { refused 2 "$1" train "${settings[@]}" data.train="$scratch/small" output.dir="$out" "${@:2}"; }
  bad 'unknown setting "training.epcohs"; did you mean "training.epochs"?' training.epcohs=3
  bad 'unknown setting "lr"; did you mean "training.lr"?' lr=3
  bad 'training.epochs is "three", expected a whole number' training.epochs=three
  bad 'training.epochs is "2.5", expected a whole number' training.epochs=2.5
  bad 'training.lr is "fast", expected a number' training.lr=fast
  bad 'training.lr is "", expected a number' training.lr=
  bad 'data.augment is "maybe", expected one of none trivial rand auto_imagenet auto_cifar10 auto_svhn' data.augment=maybe
  bad 'training.mixup is "-1", expected a number from 0 to 1000' training.mixup=-1
  bad 'training.batch_size is "0", expected a whole number from 1' training.batch_size=0
  bad 'model.dropout is "1.5", expected a number, 0 or more and less than 1' model.dropout=1.5
  bad 'model.pooling is "max", expected one of token mean' model.pooling=max
  bad 'expected name=value' epochs
  bad 'image size 9x9 is not divisible by patch_size 2' model.image_size=9
  bad 'embedding_dim 16 is not divisible by num_heads 3' model.num_heads=3
  bad 'model.image_size is "big"' model.image_size=big
  bad 'data.train is not set' data.train=
  absent "$out"
}
