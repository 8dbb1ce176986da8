# Models fetched from a server on loopback: checked, resumed, refused; and what is said about names of the hub.

# fetched FOLDER MODEL: the folder holds the files of the model.
fetched() {
  local file
  for file in config.json model.safetensors; do same "$1/$file" "$pretrained/$2/$file"; done
  exists "$1/fetched.json"
  absent "$1.part"
}

test_fetch() {
  local here image
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  pretrained=$(cd "$here/../../data/fixtures/pretrained" && pwd)
  run 0 fetch --list
  [[ $(grep -cE '^(timm|google|facebook)/' "$scratch/out") == 10 ]] || fail "fetch --list: expected ten models" "$scratch/out"
  refused 2 '"../../etc" is no name of a model' fetch ../../etc
  refused 2 '"--x/y" is no name' fetch --url http://127.0.0.1 -- --x/y
  refused 2 "--url is ftp://127.0.0.1" fetch --url ftp://127.0.0.1 timm/a
  run 2 fetch

  # A name that is no folder is answered with what to type; a path that is wrong at its end is not.
  refused 1 "minivit fetch timm/vit_small_patch16_224.augreg_in21k" predict --model timm/vit_small_patch16_224.augreg_in21k x.png
  says "$scratch/err" "https://huggingface.co/timm/vit_small_patch16_224.augreg_in21k/resolve/main/model.safetensors"
  ! grep -q preprocessor "$scratch/err" || fail "timm has no preprocessor_config.json" "$scratch/err"
  refused 1 "minivit fetch timm/vit_tiny_patch16_224.augreg_in21k" embed --model hf-hub:timm/vit_tiny_patch16_224.augreg_in21k x.png
  refused 1 "minivit fetch timm/vit_tiny_patch16_224.augreg_in21k" evaluate --model vit_tiny_patch16_224.augreg_in21k x
  run 1 inspect timm/vit_tiny_patch16_224.augreg_in21k
  says "$scratch/out" "minivit fetch timm/vit_tiny_patch16_224.augreg_in21k"
  refused 1 "google/vit-base-patch16-224/resolve/main/preprocessor_config.json" train data.train=x model.pretrained=google/vit-base-patch16-224
  mkdir -p "$scratch/photos"
  pushd "$scratch" >/dev/null
  refused 1 "photos/none: no such file or folder; expected" predict --model photos/none x.png
  popd >/dev/null

  if ! command -v python3 >/dev/null || ! command -v curl >/dev/null; then
    skip "fetch from a server: python3 or curl is missing"
    return
  fi
  rm -f "$scratch/port" "$scratch/requests"
  python3 "$here/../fetch_server.py" "$pretrained" "$scratch/port" "$scratch/requests" &
  local server=$! tries=0
  until [[ -s $scratch/port ]] || ((++tries > 100)); do sleep 0.1; done
  export no_proxy=127.0.0.1 MINIVIT_FETCH_URL
  MINIVIT_FETCH_URL=http://127.0.0.1:$(cat "$scratch/port")
  rm -rf "$scratch/hub"
  mkdir "$scratch/hub"
  pushd "$scratch/hub" >/dev/null

  run 0 fetch good/timm_vit
  fetched timm_vit timm_vit
  says "$scratch/err" "as the server announced"
  says "$scratch/out" "next: minivit predict --model timm_vit"
  says timm_vit/fetched.json "$(sha256sum <timm_vit/model.safetensors | cut -c 1-64)"
  says timm_vit/fetched.json '"commit": "c0ffee"'
  absent timm_vit/preprocessor_config.json
  run 0 inspect --brief timm_vit
  # Again: nothing to do, and nothing is asked of the server. Changed since: said.
  wc -l <"$scratch/requests" >before
  run 0 fetch good/timm_vit
  says "$scratch/out" "is there already"
  [[ $(wc -l <"$scratch/requests") == "$(cat before)" ]] || fail "fetch asked the server for what was there"
  refused 1 "was not fetched from there" fetch plain/timm_vit
  printf x >>timm_vit/model.safetensors
  refused 1 "is not what was fetched any more" fetch good/timm_vit
  # transformers' layout, another folder.
  run 0 fetch good/hf_vit --out models/mine
  fetched models/mine hf_vit
  same models/mine/preprocessor_config.json "$pretrained/hf_vit/preprocessor_config.json"

  # An answer that breaks off: the second attempt asks for the rest only.
  refused 1 "the same command goes on with it" fetch cut/hf_deit
  exists hf_deit.part/model.safetensors.partial
  absent hf_deit
  run 0 fetch cut/hf_deit
  fetched hf_deit hf_deit
  grep -qE '^/blob/cut/hf_deit/model.safetensors bytes=[1-9][0-9]*-$' "$scratch/requests" || fail "fetch: not resumed" "$scratch/requests"
  [[ $(grep -c 'cut/hf_deit/resolve/main/config.json' "$scratch/requests") == 1 ]] || fail "fetch: config.json was fetched twice"
  # All had come before the end; begun, then replaced on the server.
  mkdir -p hf_dinov2.part
  cp "$pretrained/hf_dinov2/model.safetensors" hf_dinov2.part/model.safetensors.partial
  run 0 fetch good/hf_dinov2
  fetched hf_dinov2 hf_dinov2
  mkdir -p hf_vit.part
  echo "the beginning of an earlier file" >hf_vit.part/model.safetensors.partial
  run 0 fetch good/hf_vit
  fetched hf_vit hf_vit
  # A server that knows no ranges and no hashes.
  mkdir -p timm_deit3.part
  head -c 100 "$pretrained/timm_deit3/model.safetensors" >timm_deit3.part/model.safetensors.partial
  run 0 fetch plain/timm_deit3
  fetched timm_deit3 timm_deit3
  says "$scratch/err" "not checked"

  # Wrong hashes and names leave no model.
  refused 1 "the server announced" fetch changed/timm_dinov2
  absent timm_dinov2
  absent timm_dinov2.part/model.safetensors.partial
  refused 1 "there is no such file; is the name right?" fetch good/nothing
  absent nothing
  refused 1 "logged in" fetch gated/timm_dinov2 --out gated
  # An unfinished fetch is gone on with by the same one alone.
  refused 1 "unfinished fetch of something else" fetch good/timm_dinov2
  popd >/dev/null
  unset MINIVIT_FETCH_URL
  kill "$server"
  wait "$server" 2>/dev/null || true
}
