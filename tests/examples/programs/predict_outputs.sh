# What predict writes: JSON, CSV, images in folders by class; images that cannot be read, names of any bytes, standard input.

# black PATH WIDTH HEIGHT: a black PNG of gray.
black() {
  python3 - "$@" <<'PYTHON'
import struct, sys, zlib
path, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pack, size, block = zlib.compressobj(9), (width + 1) * height, 1 << 20
data = b"".join(pack.compress(bytes(min(block, size - at))) for at in range(0, size, block)) + pack.flush()
chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", data) +
                       chunk(b"IEND", b""))
PYTHON
}

test_predict_outputs() {
  trained
  local image=("$scratch"/pair/zero/*.png) odd=$scratch/odd
  rm -rf "$odd" "$scratch/sorted"*
  mkdir -p "$odd"

  # Which model it is.
  run 0 predict --run "$trained_run" --json "${image[0]}"
  says "$scratch/err" "minivit predict: model: $trained_run/best"
  says "$scratch/out" "\"model\":\"$trained_run/best\""

  # One image that cannot be decoded: a row that says so, and all the others.
  cp "${image[0]}" "$odd/a.png"
  head -c 60 "${image[0]}" >"$odd/b, cut.png"
  cp "${image[1]}" "$odd/c.png"
  run 1 predict --model "$model" --json "$odd"
  [[ $(wc -l <"$scratch/out") == 3 && $(grep -c '"label"' "$scratch/out") == 2 ]] || fail "predict --json: expected 3 rows" "$scratch/out"
  [[ $(sed -n 2p "$scratch/out") == "{\"image\":\"$odd/b, cut.png\",\"model\":\"$model\",\"error\":\""* ]] || fail "predict --json: no row for the error" "$scratch/out"
  says "$scratch/err" "b, cut.png"
  run 1 predict --model "$model" --csv "$odd"
  [[ $(head -n 1 "$scratch/out") == image,label,confidence,label_2,confidence_2,error ]] || fail "predict --csv: the header" "$scratch/out"
  grep -qE "^\"$odd/b, cut.png\",,,,,.+cut.png.+" "$scratch/out" || fail "predict --csv: no row for the error" "$scratch/out"
  grep -qE "^$odd/a.png,(zero|one),[0-9.]+,(zero|one),[0-9.e-]+,$" "$scratch/out" || fail "predict --csv: no row for an image" "$scratch/out"
  run 2 predict --model "$model" --csv --json "$odd"

  # Only what is likely enough.
  run 1 predict --model "$model" --threshold 1 --json "$odd"
  says "$scratch/out" '"label":null'
  says "$scratch/out" '"top":[]'
  run 1 predict --model "$model" --threshold 1 "$odd"
  says "$scratch/out" "no class reaches 100%"
  run 0 predict --model "$model" --threshold 0.5 --json "$odd/a.png"
  [[ $(grep -o '"probability"' "$scratch/out" | wc -l) == 1 ]] || fail "predict --threshold 0.5: expected one of two classes" "$scratch/out"
  run 2 predict --model "$model" --threshold 1.5 "$odd"

  # Standard input.
  input="${image[0]}" run 0 predict --model "$model" --json - "${image[0]}"
  [[ $(sed -n 1p "$scratch/out" | sed 's/.*"label"//') == "$(sed -n 2p "$scratch/out" | sed 's/.*"label"//')" ]] ||
    fail "predict -: standard input and the file differ" "$scratch/out"
  input="$odd/b, cut.png" run 1 predict --model "$model" -
  says "$scratch/err" "standard input"
  run 2 predict -
  run 2 predict --model "$model" - -
  run 2 predict --model "$model" --sort-into "$scratch/sorted" -

  # Sorted: nothing is overwritten, a second time changes nothing, another image of the same name gets another one.
  run 1 predict --model "$model" --sort-into "$scratch/sorted" "$odd"
  says "$scratch/err" "2 images sorted into $scratch/sorted"
  (cd "$scratch" && find sorted -type f | sort) >"$scratch/first"
  [[ $(wc -l <"$scratch/first") == 2 ]] || fail "predict --sort-into: expected 2 files" "$scratch/first"
  same "$(find "$scratch/sorted" -name a.png)" "$odd/a.png"
  run 1 predict --model "$model" --sort-into "$scratch/sorted" "$odd"
  (cd "$scratch" && find sorted -type f | sort) | cmp -s - "$scratch/first" || fail "predict --sort-into: a second time adds files"
  mkdir "$odd/other"
  cp "${image[2]}" "$odd/other/a.png"
  cp "${image[0]}" "$odd/c.png"
  run 1 predict --model "$model" --sort-into "$scratch/sorted" "$odd"
  [[ $(find "$scratch/sorted" -type f | wc -l) == 4 ]] || fail "predict --sort-into: expected 4 files"
  same "$(find "$scratch/sorted" -name a.png)" "$odd/a.png"
  run 1 predict --model "$model" --sort-into "$scratch/sorted_links" --link "$odd"
  run 1 predict --model "$model" --sort-into "$scratch/sorted_links" --link "$odd"
  [[ $(find "$scratch/sorted_links" -type l | wc -l) == 3 ]] || fail "predict --link: expected 3 links"
  [[ $(readlink "$(find "$scratch/sorted_links" -name c.png)") == "$odd/c.png" ]] || fail "predict --link: leads elsewhere"
  run 1 predict --model "$model" --sort-into "$scratch/sorted_none" --threshold 1 "$odd"
  says "$scratch/err" "0 images sorted into $scratch/sorted_none, 3 below the threshold were not"
  run 2 predict --model "$model" --link "$odd"
  refused 2 "is a file, expected a folder" predict --model "$model" --sort-into "$odd/a.png" "$odd/a.png"
  refused 2 "would be found twice" predict --model "$model" --sort-into "$odd/sorted" "$odd"
  refused 2 "expected a number, 0 to 1" predict --model "$model" --threshold 2 "$odd"
  # After copies links to the same images add nothing; what a killed process left goes.
  local copies
  copies=$(find "$scratch/sorted" | wc -l)
  run 1 predict --model "$model" --sort-into "$scratch/sorted" --link "$odd"
  [[ $(find "$scratch/sorted" | wc -l) == "$copies" ]] || fail "predict --sort-into: links beside copies"
  # What a killed process left goes.
  touch "$scratch/sorted/..image.minivit-1-1.tmp"
  run 1 predict --model "$model" --sort-into "$scratch/sorted" "$odd"
  [[ $(find "$scratch/sorted" | wc -l) == "$copies" ]] || fail "predict --sort-into: a temporary stays"

  # Names that are not UTF-8: all different, and the way back.
  local strange=$scratch/strange
  rm -rf "$strange"
  mkdir -p "$strange"
  if cp "${image[0]}" "$strange/"$'\xe9\xff.png' 2>/dev/null; then
    cp "${image[1]}" "$strange/"$'\xe8\xff.png'
    cp "${image[2]}" "$strange/\\xE9\\xFF.png"
    cp "${image[3]}" "$strange/"$'a\nb\e[31m.png'
    local how
    for how in --json --csv ""; do
      # shellcheck disable=SC2086
      run 0 predict --model "$model" $how "$strange"
      iconv -f UTF-8 -t UTF-8 "$scratch/out" >/dev/null || fail "predict $how: not UTF-8" "$scratch/out"
      ! grep -q $'\e' "$scratch/out" "$scratch/err" || fail "predict $how: an escape sequence"
    done
    run 0 embed --model "$model" --out "$scratch/strange.csv" "$strange"
    run 0 embed --model "$model" --out "$scratch/strange.npy" "$strange"
    [[ $(sort -u "$scratch/strange.txt" | wc -l) == 4 ]] || fail "embed: two images have the same name" "$scratch/strange.txt"
    if command -v python3 >/dev/null; then
      run 0 predict --model "$model" --json "$strange"
      python3 - "$scratch" "$strange" <<'PYTHON' || fail "names that are not UTF-8 are not found again"
import csv, json, os, re, sys
def name(text):  # as docs/predicting.md says
    data = text.encode()
    return re.sub(rb"\\(\\|x(..))", lambda m: bytes.fromhex(m[2].decode()) if m[2] else b"\\", data) if rb"\x" in data else data
there = sorted(os.path.join(os.fsencode(sys.argv[2]), n) for n in os.listdir(os.fsencode(sys.argv[2])))
assert len(there) == 4
assert sorted(name(json.loads(line)["image"]) for line in open(sys.argv[1] + "/out", encoding="utf-8")) == there
assert sorted(name(row[0]) for row in list(csv.reader(open(sys.argv[1] + "/strange.csv", encoding="utf-8")))[1:]) == there
assert sorted(name(line) for line in open(sys.argv[1] + "/strange.txt", encoding="utf-8").read().split("\n")[:-1]) == there
PYTHON
    fi
  else
    skip "names that are not UTF-8: this file system refuses them"
  fi

  # Images of unusual shapes end nothing, and eight large ones take no more memory than one.
  if ! command -v python3 >/dev/null; then
    skip "large images: python3 is missing"
    return
  fi
  local large=$scratch/large pretrained i
  rm -rf "$large"
  mkdir -p "$large"
  pretrained=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../data/fixtures/pretrained" && pwd)
  for i in 1 2 3 4 5 6; do cp "${image[i]}" "$large/$i.png"; done
  black "$large/0.png" 1 20000
  black "$large/7.png" 1 64000000
  black "$large/8.png" 20000 1
  local code=0
  "$bin/minivit" predict --model "$pretrained/timm_vit" --json "$large" >"$scratch/out" 2>"$scratch/err" || code=$?
  [[ $code == 1 || $(grep -c '"label"' "$scratch/out") == 9 ]] || fail "predict: a thin image, exit code $code" "$scratch/err"
  [[ $(grep -c '"image"' "$scratch/out") == 9 && $(grep -c '"label"' "$scratch/out") -ge 6 ]] || fail "predict: a thin image ends it for others" "$scratch/err"
  rm "$large"/*
  black "$large/0.png" 7000 7000
  for i in 1 2 3 4 5 6 7; do cp "$large/0.png" "$large/$i.png"; done
  python3 - "$bin/minivit" "$pretrained/timm_vit" "$large" <<'PYTHON' || fail "predict: eight images of 49 megapixels"
import resource, subprocess, sys
r = subprocess.run([sys.argv[1], "predict", "--model", sys.argv[2], "--json", sys.argv[3]], capture_output=True, text=True)
mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{mib:.0f} MiB", r.stderr)
assert r.returncode == 0 and r.stdout.count('"logits"') == 8, r.stderr
assert mib < 500, mib  # one is 141 MiB; eight are 1,122
PYTHON
}
