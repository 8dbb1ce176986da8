# Whoever looks at a run while it is written sees how it stands: the old result or the new one.

test_readers() {
  trained
  if ! command -v python3 >/dev/null; then
    skip "readers (no python3)"
    return
  fi
  local root=$scratch/watched pid code=0
  "$bin/minivit" train "${settings[@]}" data.train="$scratch/pair" training.epochs=120 training.save_seconds=0.01 log.curves=no \
    log.tensorboard=no output.dir="$root" &>"$scratch/log" & pid=$!
  python3 - "$bin/minivit" "$root" $pid <<'PYTHON' || fail "readers saw what never was" "$scratch/log"
import json, os, pathlib, subprocess, sys, threading, time
program, root, pid = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
wrong, rounds = [], [0]

def alive():
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

def look():
    epochs = accuracy = -1
    while not wrong:
        before = alive()
        r = subprocess.run([program, "runs", "--root", root, "--json"], capture_output=True, text=True)
        runs = json.loads(r.stdout)
        if runs:
            rounds[0] += 1
            one = runs[0]
            if r.returncode or r.stderr or one.get("problem"):
                wrong.append((r.stderr, one))
            if one["status"] not in ("running", "finished", "waiting"):
                wrong.append(one["status"])
            if one["status"] == "waiting" and epochs > 0:
                wrong.append("waiting after epoch %d" % epochs)
            done, best = one["epochs_done"] or 0, one["best_val_acc"] or 0
            if done < epochs or best < accuracy:
                wrong.append((done, epochs, best, accuracy))
            epochs, accuracy = done, best
        if not before:
            if not runs or runs[0]["status"] != "finished":
                wrong.append(("at the end", runs))
            return

def evaluate():
    while alive() and not wrong:
        if next(root.glob("*/*/best"), None) is None:
            time.sleep(0.01)
            continue
        r = subprocess.run([program, "inspect", "--brief", next(root.glob("*/*/best")), next(root.glob("*/*/last"))], capture_output=True, text=True)
        if r.returncode:
            wrong.append(r.stdout)

threads = [threading.Thread(target=f) for f in (look, look, evaluate)]
[t.start() for t in threads]
[t.join() for t in threads]
print(rounds, wrong)
assert not wrong and rounds[0] > 20
PYTHON
  wait $pid || code=$?
  [[ $code == 0 ]] || fail "the training that was watched: exit code $code" "$scratch/log"
}
