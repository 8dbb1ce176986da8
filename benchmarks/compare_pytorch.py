#!/usr/bin/env python3
"""Training steps and inference of the same models in minivit and in PyTorch, which take turns.

    cmake --preset dev && cmake --build --preset dev --target benchmark_step
    /usr/bin/python3 benchmarks/compare_pytorch.py --tuned

Both run the same model on the same batch with the same number of threads, float32, dropout 0: a training step is
forward, cross-entropy, backward, clipping to norm 1, AdamW; inference is the forward pass. The ratio is PyTorch's median
time divided by minivit's: above 1 minivit is faster. Each side is one process, of which one runs while the other waits.

--tuned starts PyTorch with a glibc that keeps big buffers and uses huge pages, without which it spends much of its time
on page faults. Which BLAS it uses is Debian's choice of libblas.so.3; for another one name its folder:
LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/blis-openmp compare_pytorch.py
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

TUNING = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}

# Name -> image, patch, width, layers, heads, classes, training batch: as in step.cpp.
MODELS = {
    "mini": (224, 16, 256, 6, 8, 1000, 32),
    "ti": (224, 16, 192, 12, 3, 1000, 32),
    "s": (224, 16, 384, 12, 6, 1000, 16),
    "b": (224, 16, 768, 12, 12, 1000, 8),
    "cifar": (32, 4, 192, 9, 12, 10, 128),
}
INFERENCE_BATCHES = (1, 8)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def build(torch, image, patch, width, layers, heads, classes):
    """A pre-norm ViT with class token and learned positions."""
    nn, functional = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width)
            self.proj = nn.Linear(width, width)

        def forward(self, x):
            B, T, C = x.shape
            q, k, v = self.qkv(x).view(B, T, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
            if hasattr(functional, "scaled_dot_product_attention"):
                y = functional.scaled_dot_product_attention(q, k, v)
            else:
                q, k, v = (t.reshape(B * heads, T, C // heads) for t in (q * (C // heads) ** -0.5, k, v))
                y = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v).view(B, heads, T, C // heads)
            return self.proj(y.transpose(1, 2).reshape(B, T, C))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention()
            self.norm2 = nn.LayerNorm(width, eps=1e-6)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class VisionTransformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Conv2d(3, width, patch, patch)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
            self.pos_embed = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width) * 0.02)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

        def forward(self, images):
            x = self.patch_embed(images).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
            return self.head(self.norm(self.blocks(x))[:, 0])

    return VisionTransformer()


def blas_in_use():
    """The libraries for matrix products that this process has loaded."""
    try:
        files = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
    except OSError:
        return []
    names = {os.path.basename(os.path.realpath(f)) for f in files}
    return sorted(n for n in names if any(part in n for part in ("libblas", "openblas", "blis", "mkl", "dnnl")))


def serve_pytorch(name, mode, batch, threads):
    """Answers lines with numbers of steps by lists of seconds, as `step --on-demand` does."""
    start = time.perf_counter()
    try:
        import torch
    except ImportError as error:
        print(json.dumps({"error": f"PyTorch is needed ({error}); install python3-torch and use /usr/bin/python3"}))
        return 1
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    *sizes, _ = MODELS[name]
    model = build(torch, *sizes)
    images = torch.rand(batch, 3, sizes[0], sizes[0]) * 2 - 1
    labels = torch.arange(batch) % sizes[-1]
    weights = list(model.parameters())
    if mode == "train":
        model.train()
        # Decay as in minivit and timm: of matrices only.
        flat = [w for w in weights if w.dim() == 1]
        optimizer = torch.optim.AdamW(
            [{"params": [w for w in weights if w.dim() > 1]}, {"params": flat, "weight_decay": 0.0}],
            lr=1e-4, weight_decay=0.05)  # fmt: skip

        def step():
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
    else:
        model.eval()

        def step():
            with torch.inference_mode():
                model(images)

    step()
    first = time.perf_counter() - start
    step()
    about = {"version": torch.__version__, "blas": blas_in_use(), "parameters": sum(w.numel() for w in weights)}
    print(json.dumps({**about, "first_step_s": round(first, 3)}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            before = time.perf_counter()
            step()
            times.append(time.perf_counter() - before)
        print(json.dumps(times), flush=True)
    return 0


# ---- both sides ------------------------------------------------------------------------------------------------------


def fail(message, code=1):
    print(f"compare_pytorch: {message}", file=sys.stderr)
    sys.exit(code)


class Side:
    """A process that runs steps when it is told to."""

    def __init__(self, name, command, environment=None):
        self.name, self.times = name, []
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
            )
        except OSError as error:
            fail(f"{name} does not start: {error}")
        self.about = self.read()
        if "error" in self.about:
            fail(self.about["error"])

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def block(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.read()

    def peak_mb(self):
        """Highest resident memory so far; counted by the kernel, the same way for both."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        return float("nan")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()


def compare(options, name, mode, batch):
    flags = ["--models", name, "--mode", mode, "--batch", str(batch), "--threads", str(options.threads)]
    child = [sys.executable, __file__, "--child", f"{name},{mode},{batch},{options.threads}"]
    theirs = Side("PyTorch", child, TUNING if options.tuned else None)
    ours = Side("step", [str(options.step), "--on-demand", *flags])
    if ours.about["parameters"] != theirs.about["parameters"]:
        fail(f"{name} has {ours.about['parameters']} parameters in minivit, {theirs.about['parameters']} in PyTorch")

    # A block is a second or so of either side, but one to five steps in training.
    longest = max(theirs.block(1)[0], ours.block(1)[0])
    steps = max(1, min(50, int(1.0 / longest)))
    blocks = max(3, -(-options.steps // steps))
    for _ in range(blocks):
        for side in (theirs, ours):
            time.sleep(0.03)  # until the other side's threads have given up waiting for work
            side.times += side.block(steps)
    peaks = ours.peak_mb(), theirs.peak_mb()
    for side in (ours, theirs):
        side.close()

    ours_s, theirs_s = statistics.median(ours.times), statistics.median(theirs.times)
    return {
        "model": name,
        "mode": mode,
        "batch": batch,
        "threads": options.threads,
        "tuned": options.tuned,
        "steps": len(ours.times),
        "ms": round(ours_s * 1e3, 3),
        "images_per_s": round(batch / ours_s, 2),
        "peak_mb": round(peaks[0], 1),
        "pytorch_ms": round(theirs_s * 1e3, 3),
        "pytorch_images_per_s": round(batch / theirs_s, 2),
        "pytorch_peak_mb": round(peaks[1], 1),
        "ratio": round(theirs_s / ours_s, 3),
        "parameters": ours.about["parameters"],
        "pytorch": theirs.about["version"],
        "blas": theirs.about["blas"],
    }


def parse(arguments):
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def names(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in MODELS:
                raise argparse.ArgumentTypeError(f"there is no {name}; known are {', '.join(MODELS)}")
        return chosen

    def modes(text):
        chosen = text.split(",")
        if set(chosen) - {"train", "infer"}:
            raise argparse.ArgumentTypeError(f"{text}: expected train, infer or train,infer")
        return chosen

    def positive(text):
        if not text.isdecimal() or not 1 <= int(text) <= 4096:
            raise argparse.ArgumentTypeError(f"{text}: expected 1 to 4096")
        return int(text)

    parser.add_argument("--models", type=names, default=list(MODELS), help="comma-separated, of " + ",".join(MODELS))
    parser.add_argument("--mode", type=modes, default=["train", "infer"], help="train,infer")
    parser.add_argument("--batch", type=positive, help="instead of 8 to 128 in training and 1 and 8 in inference")
    parser.add_argument("--steps", type=positive, default=5, help="timed steps of each side, at least (5)")
    parser.add_argument("--threads", type=positive, default=2, help="of either side (2)")
    parser.add_argument("--tuned", action="store_true", help="a glibc for PyTorch that keeps big buffers")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--step", type=pathlib.Path, default=root / "build/dev/benchmarks/step", help="the program")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    if options.child:
        name, mode, batch, threads = options.child.split(",")
        return serve_pytorch(name, mode, int(batch), int(threads))
    if not options.step.is_file():
        fail(f"{options.step} is missing; cmake --build --preset dev --target benchmark_step, or name it with --step")

    heading = True
    for name in options.models:
        cases = [("train", options.batch or MODELS[name][-1])] if "train" in options.mode else []
        if "infer" in options.mode:
            cases += [("infer", batch) for batch in ([options.batch] if options.batch else INFERENCE_BATCHES)]
        for mode, batch in cases:
            r = compare(options, name, mode, batch)
            if options.json:
                print(json.dumps(r), flush=True)
                continue
            if heading:
                print(f"PyTorch {r['pytorch']}{', tuned' if r['tuned'] else ''}, {', '.join(r['blas'])}; {r['threads']} threads")
                print("model  mode   batch steps |    minivit ms  images/s       MB |    PyTorch ms  images/s       MB | ratio")
                heading = False
            print(
                f"{name:6} {mode:6} {batch:5} {r['steps']:5} | {r['ms']:13.1f} {r['images_per_s']:9.1f} {r['peak_mb']:8.0f}"
                f" | {r['pytorch_ms']:13.1f} {r['pytorch_images_per_s']:9.1f} {r['pytorch_peak_mb']:8.0f} | {r['ratio']:5.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
