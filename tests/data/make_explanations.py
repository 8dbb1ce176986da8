#!/usr/bin/env python3
"""Maps that explain models of timm, by the papers' formulas in PyTorch: fixtures/explanations.safetensors.

    python3 -m venv ref && ref/bin/pip install torch timm safetensors
    ref/bin/python tests/data/make_explanations.py

For each model NAME/ below fixtures/pretrained: `NAME.image` (1, 3, H, W) and, for class 2, maps of patches (rows, columns):
attention of the last layer, rollout, relevance, grad_cam, occlusion, and integrated_gradients (H, W) with 8 midpoints.
Attention probabilities are what timm's attn_drop gets. Made with timm 1.0.31 and torch 2.15.0.
"""

import json
import pathlib

import timm
import torch
from safetensors.torch import load_file, save_file

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
NAMES = ["timm_vit", "timm_mean", "timm_dinov2_registers", "timm_deit_distilled", "timm_qk_norm"]
TARGET = 2


def load(name):
    folder = FIXTURES / "pretrained" / name
    config = json.loads((folder / "config.json").read_text())
    args = config.get("model_args") or {}
    args = {**dict(img_size=16, patch_size=4, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2), **args}
    model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **args)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def explain(name, out):
    model = load(name)
    image = load_file(FIXTURES / "pretrained" / name / "expected.safetensors")["images"][:1].contiguous()
    attention, normed = [], []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda m, i, o: (o.retain_grad(), attention.append(o))[0])
        block.norm1.register_forward_hook(lambda m, i, o: (o.retain_grad(), normed.append(o))[0])
    image.requires_grad_()
    logits = model(image)
    model.zero_grad()
    logits[0, TARGET].backward()
    probabilities, last = list(attention), normed[-1]
    T, P = probabilities[0].shape[-1], model.num_prefix_tokens
    side = model.patch_embed.grid_size
    pooled = torch.zeros(T)
    if model.global_pool == "avg":
        pooled[P:] = 1 / (T - P)
    elif "distilled" in name:
        pooled[:2] = 0.5
    else:
        pooled[0] = 1
    patches = lambda tokens: tokens[P:].reshape(side).detach().contiguous().float()

    flow, relevance = torch.eye(T, dtype=torch.float64), torch.eye(T, dtype=torch.float64)
    for a in probabilities:
        flow = (a[0].double().mean(0) + torch.eye(T)) / 2 @ flow
        relevance = relevance + (a.grad[0].double() * a[0].double()).clamp(min=0).mean(0) @ relevance
    weights = last.grad[0, P:].mean(0)
    maps = {
        "image": image.detach(),
        "attention": patches(pooled @ probabilities[-1][0].mean(0)),
        "rollout": patches(pooled.double() @ flow),
        "relevance": patches(pooled.double() @ (relevance - torch.eye(T))),
        "grad_cam": (last[0, P:] @ weights).clamp(min=0).reshape(side).detach().contiguous(),
    }
    with torch.no_grad():
        size = model.patch_embed.patch_size[0]
        occlusion = torch.empty(side)
        for y in range(side[0]):
            for x in range(side[1]):
                without = image.detach().clone()
                without[:, :, y * size : (y + 1) * size, x * size : (x + 1) * size] = 0
                occlusion[y, x] = logits[0, TARGET] - model_logits(model, without)[0, TARGET]
        maps["occlusion"] = occlusion
    total = torch.zeros_like(image)
    for s in range(8):
        between = (image.detach() * (s + 0.5) / 8).requires_grad_()
        model_logits(model, between)[0, TARGET].backward()
        total += between.grad / 8
    maps["integrated_gradients"] = (total * image).sum(1)[0].detach().contiguous()
    out.update({f"{name}.{key}": value for key, value in maps.items()})


def model_logits(model, images):
    """Without what the hooks keep: they want gradients."""
    with torch.enable_grad():
        return model(images)


out = {}
for name in NAMES:
    explain(name, out)
save_file(out, FIXTURES / "explanations.safetensors")
