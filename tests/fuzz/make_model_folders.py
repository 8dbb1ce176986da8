#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/model_folder: model folders in one file each, as small as they can be.

    python3 tests/fuzz/make_model_folders.py
"""

import json
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / "corpus/model_folder"
LABELS = ["a", "b"]


def tensors(names, prefix=""):
    header, data = {}, b""
    for name, shape in names.items():
        count = 1
        for n in shape:
            count *= n
        header[prefix + name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + 2 * count]}
        data += struct.pack("<e", 0.25) * count
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def timm(C=4, grid=2, patch=2, prefix=1, extra=(), classes=2):
    names = {"cls_token": [1, 1, C], "pos_embed": [1, prefix + grid * grid, C], "patch_embed.proj.weight": [C, 3, patch, patch],
             "patch_embed.proj.bias": [C]}
    for n, shape in {"norm1.weight": [C], "norm1.bias": [C], "attn.qkv.weight": [3 * C, C], "attn.qkv.bias": [3 * C],
                     "attn.proj.weight": [C, C], "attn.proj.bias": [C], "norm2.weight": [C], "norm2.bias": [C],
                     "mlp.fc1.weight": [2 * C, C], "mlp.fc1.bias": [2 * C], "mlp.fc2.weight": [C, 2 * C], "mlp.fc2.bias": [C]}.items():
        names["blocks.0." + n] = shape
    names |= {"norm.weight": [C], "norm.bias": [C], "head.weight": [classes, C], "head.bias": [classes]} | dict(extra)
    return names


def vit(C=4, dino=False):
    names = {"embeddings.cls_token": [1, 1, C], "embeddings.position_embeddings": [1, 5, C],
             "embeddings.patch_embeddings.projection.weight": [C, 3, 2, 2], "embeddings.patch_embeddings.projection.bias": [C]}
    first, second = ("norm1", "norm2") if dino else ("layernorm_before", "layernorm_after")
    fc1, fc2 = ("mlp.fc1", "mlp.fc2") if dino else ("intermediate.dense", "output.dense")
    layer = {first: [C], second: [C], fc1: [2 * C, C], fc2: [C, 2 * C], "attention.output.dense": [C, C]}
    layer |= {f"attention.attention.{n}": [C, C] for n in ("query", "key", "value")}
    for n, shape in layer.items():
        names[f"encoder.layer.0.{n}.weight"] = shape
        names[f"encoder.layer.0.{n}.bias"] = shape[:1]
    if dino:
        names |= {f"encoder.layer.0.layer_scale{i}.lambda1": [C] for i in (1, 2)}
        names["embeddings.register_tokens"] = [1, 2, C]
    names |= {"layernorm.weight": [C], "layernorm.bias": [C]}
    kind = "dinov2_with_registers." if dino else "vit."
    head = {"classifier.weight": [2, 2 * C if dino else C], "classifier.bias": [2]}
    return {kind + n: shape for n, shape in names.items()} | head


def write(name, config, processor, weights):
    parts = [json.dumps(part, separators=(",", ":")).encode() if part else b"" for part in (config, processor)]
    (OUT / name).write_bytes(b"\n====\n".join(parts + [weights]))


ARGS = {"img_size": 4, "patch_size": 2, "embed_dim": 4, "depth": 1, "num_heads": 2, "mlp_ratio": 2}
CFG = {"input_size": [3, 4, 4], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "center"}
COMMON = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 4, "patch_size": 2, "num_channels": 3,
          "hidden_act": "gelu", "qkv_bias": True, "layer_norm_eps": 1e-6, "id2label": {"0": "a", "1": "b"}}
SQUARE = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 4, "width": 4}, "resample": 2,
          "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
EDGE = SQUARE | {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 7}, "crop_size": {"height": 6, "width": 6},
                 "do_center_crop": True, "resample": 3}

OUT.mkdir(parents=True, exist_ok=True)
write("timm", {"architecture": "vit_base_patch16_224", "num_classes": 2, "global_pool": "token", "model_args": ARGS, "label_names": LABELS,
               "pretrained_cfg": CFG}, None, tensors(timm()))
write("timm_by_name", {"architecture": "vit_base_patch16_224.tag", "num_classes": 2, "model_args": {"num_heads": 1},
                       "pretrained_cfg": CFG | {"label_names": {"0": "a", "1": "b"}}}, None, tensors(timm()))
write("timm_flat", CFG | {"architecture": "vit_tiny_patch16_224", "num_classes": 2, "labels": LABELS, "num_features": 4}, None,
      tensors(timm(C=6)))
write("timm_distilled", {"architecture": "deit_base_distilled_patch16_224", "model_args": ARGS, "num_classes": 2}, None,
      tensors(timm(prefix=2, extra={"dist_token": [1, 1, 4], "head_dist.weight": [2, 4], "head_dist.bias": [2]})))
write("own", {"architecture": "vit_base_patch16_224", "num_classes": 2, "model_args": ARGS | {"img_size": [4, 4]}, "label_names": LABELS,
              "pretrained_cfg": CFG, "minivit": {"version": "0.1.0", "positions": "learned", "swiglu": False, "class_and_mean": False,
                                                 "distillation": "none", "norm_eps": 1e-6, "crop_rounding": "down", "multi_label": True}},
      None, tensors(timm()))
write("bare", None, None, tensors(timm(), "model."))
write("hf_vit", COMMON | {"model_type": "vit", "intermediate_size": 8, "problem_type": "multi_label_classification"}, SQUARE,
      tensors(vit()))
write("hf_dinov2", COMMON | {"model_type": "dinov2_with_registers", "mlp_ratio": 2, "num_register_tokens": 2, "use_swiglu_ffn": False},
      EDGE, tensors(vit(dino=True)))
