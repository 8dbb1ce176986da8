#!/usr/bin/env python3
"""Tries every name of timm's Vision Transformers (vit_*, deit*, and others of the same classes): a model of one block
and few channels, with random weights, is saved as timm saves it and read by minivit, which must give timm's logits or refuse it by name.

    ref/bin/python tests/data/check_timm_names.py build/release/minivit SCRATCH [NAME...]

ref: see make_pretrained.py. Ends with 1 if any is read and gives other logits, or is refused, but not for what it is.
"""

import json
import shutil
import sys
from collections import Counter

import timm
import torch
from safetensors.torch import save_file
from timm.models import _registry, deit, vision_transformer

from reference import TOLERANCE, by_minivit, by_timm, distance, photo, randomize, scratch


def names():
    for name in sorted(_registry.list_models()):
        module = sys.modules[_registry.model_entrypoint(name).__module__]
        if name.startswith(("vit_", "deit")) or module in (deit, vision_transformer):
            yield name


def heads_of(name):
    """Attention heads of the architecture, from a model without memory; None for other classes."""
    with torch.device("meta"):
        try:
            return timm.create_model(name, depth=1).blocks[0].attn.num_heads
        except (TypeError, AssertionError, RuntimeError, ValueError, AttributeError, NotImplementedError):
            return None


def small(name):
    """The architecture with its own heads, with one block and few patches and channels where its class can have that."""
    patch = next((int(part[5:]) for part in name.split("_") if part.startswith("patch") and part[5:].isdigit()), 16)
    heads = heads_of(name)
    sizes = {"depth": 1, "img_size": 3 * patch}
    for arguments in ([sizes | {"embed_dim": 16 * heads}] if heads else []) + [sizes, {"depth": 1}, {}]:
        try:
            with torch.device("meta"):
                whole = sum(p.numel() for p in timm.create_model(name, num_classes=5, **arguments).parameters())
            if whole < 100_000_000:
                return timm.create_model(name, num_classes=5, **arguments)
        except (TypeError, AssertionError, RuntimeError, ValueError, NotImplementedError):
            pass
    return None


def save(model, name, folder):
    """As timm does; of what cannot be made small the configuration alone."""
    if model is not None:
        timm.models.save_for_hf(model, folder, safe_serialization=True)
        return
    folder.mkdir(exist_ok=True)
    cfg = timm.get_pretrained_cfg(name).to_dict(remove_source=True)
    (folder / "config.json").write_text(json.dumps({"architecture": name, "num_classes": 5, "pretrained_cfg": cfg | {"num_classes": 5}}))
    save_file({"nothing": torch.zeros(1)}, folder / "model.safetensors")


program, folder = sys.argv[1], scratch(sys.argv[2])
image = photo(folder / "photo.png", 97, 64)
verdicts = Counter()
for seed, name in enumerate(sys.argv[3:] or names()):
    here = folder / name
    model = small(name)
    save(model and randomize(model, seed), name, here)
    logits, answer = by_minivit(program, here, image)
    if logits is None:
        by_name = any(word in answer for word in ("not supported", "not known"))
        verdict, why = "refused" if by_name else "OTHERWISE", answer.replace(str(here), "…")
    else:
        off = distance(logits, by_timm(here, image))
        verdict, why = ("equal" if off < TOLERANCE else "SILENT"), f"{off:.2g}"
    shutil.rmtree(here)
    verdicts[verdict] += 1
    print(f"{verdict:8} {name}  {why}", flush=True)
print(dict(verdicts), "of", sum(verdicts.values()), "names, timm", timm.__version__)
sys.exit(1 if verdicts["SILENT"] + verdicts["OTHERWISE"] else 0)
