#!/usr/bin/env python3
"""Makes tests/data/fixtures/pretrained: small models of every kind that load_pretrained reads, with random
weights, as timm and transformers themselves write them, and what they compute.

    python3 -m venv ref && ref/bin/pip install torch timm transformers safetensors
    ref/bin/python tests/data/make_pretrained.py

Each folder has the model's own files, and expected.safetensors with `images` (2, 3, 16, 16) and `logits`.
Made with timm 1.0.31, transformers 5.24.0 and torch 2.15.0.
"""

import json
import pathlib
import shutil
import sys
import warnings

import timm
import torch
import transformers
from safetensors.torch import save_file

from reference import randomize

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "fixtures/pretrained"
SIZE, CLASSES = 16, 5
LABELS = [f"kind {i}" for i in range(CLASSES)]


def expect(folder, model, logits_of=lambda y: y):
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        logits = logits_of(model(images))
    save_file({"images": images, "logits": logits.contiguous()}, folder / "expected.safetensors")


def of_timm(name, architecture, seed, dtype=torch.float32, prefix="", model_args=True, **args):
    folder = OUT / name
    folder.mkdir(parents=True)
    args = dict(img_size=SIZE, patch_size=4, embed_dim=12 if not model_args else 16, depth=2,
                num_heads=3 if not model_args else 2, mlp_ratio=2) | args
    model = randomize(timm.create_model(architecture, num_classes=args.pop("num_classes", CLASSES), **args), seed)
    state = {prefix + k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.to(dtype).float() for k, v in model.state_dict().items()})
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architecture": architecture,
        "num_classes": model.num_classes,
        "num_features": model.num_features,
        "global_pool": model.global_pool,
        "pretrained_cfg": {"input_size": [3, SIZE, SIZE], "interpolation": "bicubic", "crop_pct": 0.9,
                           "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": model.num_classes,
                           "first_conv": "patch_embed.proj", "classifier": "head"},
    }
    if model.num_classes == CLASSES:
        config["label_names"] = LABELS
    if model_args:
        config["model_args"] = {k: v for k, v in args.items() if k != "mlp_layer"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    expect(folder, model)


def of_transformers(name, kind, seed, original_names=True, processor=None, **args):
    folder = OUT / name
    config_class = {"ViT": transformers.ViTConfig, "DeiT": transformers.DeiTConfig,
                    "Dinov2": transformers.Dinov2Config,
                    "Dinov2WithRegisters": transformers.Dinov2WithRegistersConfig}[kind.split("For")[0].removesuffix("Model")]
    args = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=SIZE, patch_size=4,
                id2label=dict(enumerate(LABELS)), label2id={l: i for i, l in enumerate(LABELS)},
                **({"mlp_ratio": 2} if "Dinov2" in kind else {"intermediate_size": 32})) | args
    model = randomize(getattr(transformers, kind)(config_class(**args)), seed)
    model.save_pretrained(folder, save_original_format=original_names)
    if processor:
        processor.save_pretrained(folder)
    expect(folder, model, lambda y: y.logits if "For" in kind else y.last_hidden_state[:, 0])


if OUT.exists():
    shutil.rmtree(OUT)
T = transformers
of_timm("timm_vit", "vit_tiny_patch16_224", 1)
of_timm("timm_by_name", "vit_tiny_patch16_224", 2, model_args=False)
of_timm("timm_f16", "vit_tiny_patch16_224", 3, dtype=torch.float16)
of_timm("timm_bf16", "vit_tiny_patch16_224", 4, dtype=torch.bfloat16)
of_timm("timm_prefix", "vit_tiny_patch16_224", 5, prefix="model.")
of_timm("timm_mean", "vit_tiny_patch16_224", 6, global_pool="avg", class_token=False)
of_timm("timm_headless", "vit_tiny_patch16_224", 7, num_classes=0)
of_timm("timm_deit_distilled", "deit_tiny_distilled_patch16_224", 8)
of_timm("timm_deit3", "deit3_small_patch16_224", 9, init_values=1e-6, no_embed_class=True)
of_timm("timm_deit3_by_name", "deit3_small_patch16_224", 10, model_args=False, num_heads=6)
of_timm("timm_dinov2", "vit_small_patch14_dinov2", 11, init_values=1e-5)
of_timm("timm_dinov2_registers", "vit_small_patch14_reg4_dinov2", 12, init_values=1e-5, reg_tokens=4, no_embed_class=True)
of_timm("timm_dinov2_giant", "vit_giant_patch14_dinov2", 13, init_values=1e-5, mlp_ratio=3)
of_timm("timm_qk_norm", "vit_tiny_patch16_224", 14, qk_norm=True)
of_timm("timm_pre_norm", "vit_tiny_patch16_224", 15, pre_norm=True)
of_timm("timm_mean_norm", "vit_tiny_patch16_224", 16, global_pool="avg", fc_norm=False)
vit_processor = T.ViTImageProcessor(size={"height": SIZE, "width": SIZE})
bit_processor = T.BitImageProcessor(size={"shortest_edge": 20}, crop_size={"height": SIZE, "width": SIZE},
                                    image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
deit_processor = T.DeiTImageProcessor(size={"height": 18, "width": 18}, crop_size={"height": SIZE, "width": SIZE})
of_transformers("hf_vit", "ViTForImageClassification", 21, processor=vit_processor)
of_transformers("hf_vit_new_names", "ViTForImageClassification", 22, original_names=False)
of_transformers("hf_vit_model", "ViTModel", 23)
of_transformers("hf_vit_no_bias", "ViTForImageClassification", 24, qkv_bias=False)
of_transformers("hf_deit", "DeiTForImageClassification", 25, processor=deit_processor)
of_transformers("hf_deit_teacher", "DeiTForImageClassificationWithTeacher", 26)
of_transformers("hf_deit_new_names", "DeiTForImageClassificationWithTeacher", 27, original_names=False)
of_transformers("hf_dinov2", "Dinov2ForImageClassification", 28, processor=bit_processor)
of_transformers("hf_dinov2_new_names", "Dinov2ForImageClassification", 29, original_names=False)
of_transformers("hf_dinov2_model", "Dinov2Model", 30)
of_transformers("hf_dinov2_larger", "Dinov2ForImageClassification", 31, processor=bit_processor, image_size=28)
of_transformers("hf_dinov2_registers", "Dinov2WithRegistersForImageClassification", 32)
of_transformers("hf_dinov2_registers_larger", "Dinov2WithRegistersForImageClassification", 35, processor=bit_processor, image_size=28)
of_transformers("hf_dinov2_swiglu", "Dinov2WithRegistersForImageClassification", 33, use_swiglu_ffn=True)
of_transformers("hf_dinov2_swiglu_new_names", "Dinov2ForImageClassification", 34, use_swiglu_ffn=True,
                original_names=False)


# Positions and patch embeddings of other sizes.
from timm.layers import resample_abs_pos_embed, resample_patch_embed  # noqa: E402

generator = torch.Generator().manual_seed(50)
positions, weight = torch.randn(1, 2 + 20, 3, generator=generator), torch.randn(4, 3, 8, 8, generator=generator)
out = {"positions": positions, "patches": weight}
for rows, columns in ((4, 5), (7, 9), (3, 2), (5, 4), (1, 1)):
    out[f"timm_{rows}x{columns}"] = resample_abs_pos_embed(positions, [rows, columns], [4, 5], num_prefix_tokens=2)
    grid = positions[:, 2:].reshape(1, 4, 5, 3).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)
    out[f"transformers_{rows}x{columns}"] = torch.cat([positions[:, :2], grid.permute(0, 2, 3, 1).reshape(1, -1, 3)], 1)
for size in (4, 7, 8, 9, 16):
    out[f"patches_{size}"] = resample_patch_embed(weight, [size, size])
save_file({k: v.clone().contiguous() for k, v in out.items()}, OUT.parent / "resample.safetensors")
