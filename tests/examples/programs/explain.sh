# Explanations: pictures and numbers of each method, scores, classes by name, and what is refused.

test_explain() {
  trained
  local image=("$scratch"/pair/zero/*.png) out=$scratch/maps method
  run 0 explain --run "$trained_run" --out "$out" --method all "${image[0]}"
  says "$scratch/out" "${image[0]}: "
  for method in attention rollout relevance grad_cam integrated_gradients occlusion; do
    grep -qE "^  $method +deletion 0\.[0-9]{3}  insertion 0\.[0-9]{3}  $out/" "$scratch/out" || fail "nothing is said of $method" "$scratch/out"
    [[ $(head -c 8 "$out/$(basename "${image[0]}" .png).$method.png" | xxd -p) == 89504e470d0a1a0a ]] || fail "$method is no picture"
    [[ $(head -c 6 "$out/$(basename "${image[0]}" .png).$method.npy" | xxd -p) == 934e554d5059 ]] || fail "$method has no numbers"
  done
  # The same bits, whatever the threads; another class has another map.
  cp -r "$out" "$scratch/again"
  OMP_NUM_THREADS=1 MINIVIT_THREADS=1 run 0 explain --run "$trained_run" --out "$out" --method all "${image[0]}"
  diff -r "$out" "$scratch/again" || fail "another number of threads gives other maps"
  run 0 explain --run "$trained_run" --out "$scratch/zero" --class zero --json "${image[@]:0:2}"
  run 0 explain --run "$trained_run" --out "$scratch/one" --class one --json "${image[@]:0:2}"
  (($(wc -l <"$scratch/out") == 2)) || fail "not a line for each image" "$scratch/out"
  says "$scratch/out" '"class":"one"'
  ! diff -rq "$scratch/zero" "$scratch/one" >/dev/null || fail "two classes have the same map"
  # An image that cannot be read is named, the others are explained.
  printf 'no image' >"$scratch/broken.png"
  run 1 explain --run "$trained_run" --out "$scratch/some" "$scratch/broken.png" "${image[0]}"
  says "$scratch/err" "broken.png"
  says "$scratch/out" "relevance"
  refused 2 "no such class; it knows" explain --run "$trained_run" --out "$scratch/none" --class cat "${image[0]}"
  absent "$scratch/none"
  refused 2 "layer 7 of a model with 1 layers" explain --run "$trained_run" --out "$scratch/none" --method attention --layer 7 "${image[0]}"
  refused 2 "head 5 of a model with 2 heads" explain --run "$trained_run" --out "$scratch/none" --method attention --head 5 "${image[0]}"
}
