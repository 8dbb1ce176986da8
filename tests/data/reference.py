"""Shared by the scripts that compare minivit with timm and transformers: random weights, an image, the program."""

import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import PIL.Image
import timm
import timm.data
import torch

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

TOLERANCE = 1e-3  # of logits, as a part of the largest


def randomize(model, seed):
    """Every weight matters: norms, biases, LayerScales and tokens too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            one = ("norm" in name and name.endswith("weight")) or "gamma" in name or "lambda1" in name
            matrix = p.dim() >= 2 and "token" not in name and "pos" not in name
            p.copy_(1 + 0.3 * noise if one else noise / max(p[0].numel(), 1) ** 0.5 if matrix else 0.3 * noise)
    return model.eval()


def photo(path, width, height):
    """A picture with edges in both directions."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, (x // 5 + y // 3) % 2 * 200 + y % 56, (x * y) % 256], 2)
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def by_timm(folder, image):
    """Logits of the folder's model as timm makes it."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        return model(transform(PIL.Image.open(image).convert("RGB"))[None])[0].flatten().tolist()


def by_minivit(program, folder, image, *options):
    """(logits, answer) or (None, message)."""
    run = subprocess.run([program, "predict", "--model", folder, *options, "--json", image], capture_output=True, text=True)
    if run.returncode == 0:
        answer = json.loads(run.stdout)
        return answer["logits"], answer
    if run.returncode not in (1, 2) or not run.stderr.startswith("minivit"):
        sys.exit(f"{folder}: ended with {run.returncode}: {run.stderr}")
    return None, run.stderr.strip().splitlines()[-1]


def distance(a, b):
    if len(a) != len(b):
        return float("inf")
    return max(abs(x - y) for x, y in zip(a, b)) / max(1.0, max(map(abs, b)))


def scratch(argument):
    folder = pathlib.Path(argument)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
