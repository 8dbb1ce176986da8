#!/usr/bin/env python3
"""Drops, adds and changes one key at a time of the configuration files of timm and transformers. What minivit reads
then must give the logits, and for transformers the labels and probabilities, that these libraries give, or be refused.

    ref/bin/python tests/data/check_configurations.py build/release/minivit SCRATCH [PART OF A CASE'S NAME]

ref: see make_pretrained.py. Ends with 1 if any variant is read and gives something else.
"""

import copy
import json
import shutil
import sys
from collections import Counter

import PIL.Image
import timm
import torch
import transformers

from reference import TOLERANCE, by_minivit, by_timm, distance, photo, randomize, scratch

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
T, SIZE, CLASSES = transformers, 32, 5
LABELS = [f"kind {i}" for i in range(CLASSES)]
SMALL = dict(img_size=SIZE, patch_size=8, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2)

# What a key is changed to: of its own kind, and what stands for another model.
OTHERS = {
    "architecture": ["vit_base_patch16_rpn_224", "vit_base_patch16_xp_224", "vit_giant_patch14_dinov2", "resnet50",
                     "vit_base_patch32_clip_quickgelu_224", "vit_base_patch16_gap_224", "deit_base_distilled_patch16_224",
                     "vit_base_patch16_clip_224", "vit_base_patch16_siglip_224", "vit_base_patch16_224.augreg_in21k"],
    "global_pool": ["avg", "token", "map", "max", "avgmax", "", None],
    "act_layer": ["gelu", "gelu_tanh", "quick_gelu", "relu", None], "norm_layer": ["layernorm", "rmsnorm", None],
    "fc_norm": [True, False, None], "pos_embed": ["learn", "", "none"], "attn_layer": ["", "attn", "diff"],
    "init_values": [None, 0.0, 1e-5], "interpolation": ["bicubic", "bilinear", "nearest", "lanczos", "random", ""],
    "crop_mode": ["center", "squash", "border"], "crop_pct": [1.0, 0.5, 0.875, None], "mean": [[0.5], [0.1, 0.2, 0.3], None],
    "std": [[0.5], [0.1, 0.2, 0.3]], "input_size": [[3, 64, 64], [1, 32, 32], None], "label_names": [{str(i): l for i, l in enumerate(LABELS)}],
    "hidden_act": ["gelu", "relu", "gelu_new", "quick_gelu", "gelu_fast"], "model_type": ["vit", "deit", "dinov2", "dinov2_with_registers", "swin"],
    "problem_type": ["single_label_classification", "multi_label_classification", "regression", None],
    "layer_norm_eps": [1e-2, 1e-6], "id2label": [{str(i): i for i in range(CLASSES)}, None], "architectures": [["ViTModel"], ["Dinov2Model"], None],
    "size": [{"height": 32, "width": 32}, {"shortest_edge": 37}, {"longest_edge": 37}, {"shortest_edge": 37, "longest_edge": 50}, 37, 32,
             {"max_height": 40, "max_width": 40}, {"height": 40, "width": 32}],
    "crop_size": [{"height": 32, "width": 32}, 32, {"height": 16, "width": 32}, None], "resample": [0, 1, 2, 3, 4, 5],
    "image_processor_type": ["ViTImageProcessor", "DeiTImageProcessor", "BitImageProcessor", "CLIPImageProcessor", "ConvNextImageProcessor"],
    "image_mean": [[0.1, 0.2, 0.3], 0.5], "image_std": [[0.1, 0.2, 0.3], 0.5], "rescale_factor": [1 / 255, 1.0],
    "num_attention_heads": [1, 2, 8], "num_heads": [1, 2, 8],
}
ADDED = {
    "model_args": {"global_pool": "avg", "act_layer": "quick_gelu", "norm_layer": "rmsnorm", "fc_norm": True, "pool_include_prefix": True,
                   "scale_attn_norm": True, "scale_mlp_norm": True, "final_norm": False, "proj_bias": False, "pos_embed": "none",
                   "attn_layer": "diff", "dynamic_img_size": True, "patch_drop_rate": 0.5, "drop_rate": 0.5, "weight_init": "jax",
                   "class_token": False, "no_embed_class": True, "reg_tokens": 4, "pre_norm": True, "qk_norm": True, "qkv_bias": False,
                   "init_values": 1e-5, "in_chans": 1, "num_classes": 7, "something_new": 1, "embed_norm_layer": "layernorm"},
    "pretrained_cfg": {"crop_mode": "squash", "test_input_size": [3, 64, 64], "test_crop_pct": 1.0, "label_offset": 1,
                       "fixed_input_size": True, "something_new": 1, "license": "mit", "num_classes": 7, "label_names": LABELS},
    "timm": {"something_new": 1, "labels": LABELS, "label_names": LABELS, "num_classes": 7},
    "transformers": {"something_new": 1, "pruned_heads": {"0": [1]}, "problem_type": "multi_label_classification", "use_swiglu_ffn": True,
                     "num_register_tokens": 2, "torch_dtype": "float32", "num_labels": 7, "mlp_ratio": 3, "intermediate_size": 48,
                     "drop_path_rate": 0.5, "hidden_dropout_prob": 0.5, "quantization_config": {"load_in_8bit": True}},
    "processor": {"something_new": 1, "do_pad": True, "do_center_crop": True, "do_convert_rgb": False, "default_to_square": True,
                  "crop_size": {"height": 32, "width": 32}, "do_rescale": False, "do_normalize": False, "do_resize": False, "crop_pct": 0.8},
}


def variants(json_object, added, inside=()):
    """(name, changed copy) for each key."""
    def changed(name, f):
        whole = copy.deepcopy(json_object)
        part = whole
        for step in inside:
            part = part[step]
        f(part)
        return name, whole
    part = json_object
    for step in inside:
        part = part[step]
    for key, value in part.items():
        if key not in ("model_args", "pretrained_cfg"):
            yield changed(f"{key} dropped", lambda p: p.pop(key))
        values = list(OTHERS.get(key, []))
        if isinstance(value, bool):
            values += [not value]
        elif isinstance(value, int):
            values += [value + 1, value * 2]
        elif isinstance(value, float):
            values += [value * 2 + 0.25]
        for other in values:
            if other != value:
                yield changed(f"{key} = {json.dumps(other)}", lambda p: p.update({key: other}))
    for key, value in added.items():
        if part.get(key) != value:
            yield changed(f"{key} added", lambda p: p.update({key: value}))


def by_transformers(folder, image):
    model = T.AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = T.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pipeline = T.pipeline("image-classification", model=model, image_processor=processor)
    pixels = processor(PIL.Image.open(image).convert("RGB"), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        logits = model(pixels).logits[0].tolist()
    scores = {one["label"]: one["score"] for one in pipeline.postprocess({"logits": torch.tensor([logits])}, top_k=100)}
    return logits, scores


def judge(program, folder, image, reference):
    logits, answer = by_minivit(program, folder, image, "--top", "100")
    if logits is None:
        return "refused", answer.replace(str(folder), "…")
    try:
        found = reference(folder, image)
    except Exception as e:  # of any kind: the library does not read it
        return "read here alone", f"{type(e).__name__}: {str(e).strip().splitlines()[0][:120]}" if str(e).strip() else type(e).__name__
    wanted, scores = found if isinstance(found, tuple) else (found, None)
    off = distance(logits, wanted)
    if off >= TOLERANCE:
        return "SILENT", f"logits off by {off:.2g}"
    if scores is not None:
        ours = {one["label"]: one["probability"] for one in answer["top"]}
        if {str(k) for k in scores} != set(ours) and not all(str(k).startswith("LABEL_") for k in scores):
            return "SILENT", f"labels {sorted(ours)} for {sorted(map(str, scores))}"
        if set(ours) == {str(k) for k in scores} and max(abs(ours[str(k)] - v) for k, v in scores.items()) > 1e-3:
            return "SILENT", f"probabilities {ours} for {scores}"
    return "equal", f"{off:.2g}"


def timm_model(folder, architecture="vit_base_patch16_224", **arguments):
    model = randomize(timm.create_model(architecture, num_classes=CLASSES, **(SMALL | arguments)), 1)
    timm.models.save_for_hf(model, folder, safe_serialization=True, model_config={"label_names": LABELS})


def transformers_model(folder, kind, processor, **arguments):
    config = getattr(T, kind.split("For")[0] + "Config")
    sizes = {"mlp_ratio": 2} if "Dinov2" in kind else {"intermediate_size": 64}
    model = getattr(T, kind)(config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=SIZE, patch_size=8,
                                    id2label=dict(enumerate(LABELS)), label2id={l: i for i, l in enumerate(LABELS)}, **sizes, **arguments))
    randomize(model, 2).save_pretrained(folder)
    processor.save_pretrained(folder)


program, folder = sys.argv[1], scratch(sys.argv[2])
image = photo(folder / "photo.png", 103, 61)
part = sys.argv[3] if len(sys.argv) > 3 else ""
verdicts = Counter()


def run(case, make, file, reference, places):
    """Tries the model as it is, then every variant of `file`."""
    base = folder / case
    if part not in case:
        return
    shutil.rmtree(base, ignore_errors=True)
    make(base)
    original = json.loads((base / file).read_text())
    tries = [("as it is", original)]
    for added, inside in places:
        tries += variants(original, ADDED[added], inside)
    for name, changed in tries:
        (base / file).write_text(json.dumps(changed))
        verdict, why = judge(program, base, image, reference)
        verdicts[verdict] += 1
        print(f"{verdict:15} {case} {file}: {name}  {why}", flush=True)
    (base / file).write_text(json.dumps(original))


TIMM = [("timm", ()), ("model_args", ("model_args",)), ("pretrained_cfg", ("pretrained_cfg",))]
for case, architecture, arguments in (
        ("timm_vit", "vit_base_patch16_224", {}), ("timm_reg", "vit_small_patch14_reg4_dinov2", {}),
        ("timm_gap", "vit_base_patch16_gap_224", {"num_heads": 4}), ("timm_avg", "vit_base_patch16_224", {"global_pool": "avg"}),
        ("timm_distilled", "deit_base_distilled_patch16_224", {})):
    run(case, lambda base: timm_model(base, architecture, **arguments), "config.json", by_timm, TIMM)


def flat(base):
    """As timm wrote it in its first years, of an architecture as it is."""
    model = randomize(timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES), 3)
    timm.models.save_for_hf(model, base, safe_serialization=True)
    (base / "config.json").write_text(json.dumps({
        "architecture": "vit_tiny_patch16_224", "num_classes": CLASSES, "num_features": 192, "input_size": [3, 224, 224], "crop_pct": 0.8,
        "interpolation": "bilinear", "fixed_input_size": True, "mean": [0.5] * 3, "std": [0.5] * 3, "first_conv": "patch_embed.proj",
        "classifier": "head", "labels": LABELS}))


run("timm_flat", flat, "config.json", by_timm, [("pretrained_cfg", ())])
square = T.ViTImageProcessor(size={"height": SIZE, "width": SIZE})
deit = T.DeiTImageProcessor(size={"height": 37, "width": 37}, crop_size={"height": SIZE, "width": SIZE})
edge = T.BitImageProcessor(size={"shortest_edge": 37}, crop_size={"height": SIZE, "width": SIZE})
for kind, processor in (("ViTForImageClassification", square), ("DeiTForImageClassification", deit),
                        ("DeiTForImageClassificationWithTeacher", deit), ("Dinov2ForImageClassification", edge),
                        ("Dinov2WithRegistersForImageClassification", edge)):
    for file, where in (("config.json", "transformers"), ("preprocessor_config.json", "processor")):
        run(kind, lambda base: transformers_model(base, kind, processor), file, by_transformers, [(where, ())])
print(dict(verdicts), "of", sum(verdicts.values()), "variants, timm", timm.__version__, "transformers", T.__version__)
sys.exit(1 if verdicts["SILENT"] else 0)
