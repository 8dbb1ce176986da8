#!/usr/bin/env python3
"""timm and transformers compute the same from exported models:   check_export.py EXPORT MODELS

EXPORT is the program, MODELS the folder of reference models (tests/data/make_pretrained.py). Each is exported for timm and for
both generations of transformers, opened there, and has to give the logits that its own library computed, within 1e-4; a format
that cannot say what the model is has to be refused with exit code 2. Ends with 0 if all is so, with 1 if not, and with 77
where timm or transformers is not installed.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

try:
    import timm
    import torch
    import transformers
    from safetensors.torch import load_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TOLERANCE = 1e-4
FORMATS = ("timm", "transformers", "transformers5")


def has_word_for(form, name):
    """Whether the format can say what the model of this name is."""
    if form == "timm":
        return name != "hf_deit" and (not name.startswith("hf_dinov2") or name == "hf_dinov2_model")
    return name != "timm_mean"


def result_of(form, folder, images):
    """What the library computes."""
    with torch.no_grad():
        if form == "timm":
            model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
            return model(images)
        config = json.loads((folder / "config.json").read_text())
        kind = getattr(transformers, config["architectures"][0])
        model, info = kind.from_pretrained(folder, output_loading_info=True)
        missing = [key for key in info["missing_keys"] if "pooler" not in key]
        if missing or info["unexpected_keys"] or info["mismatched_keys"]:
            raise ValueError(f"the names do not fit: {info}")
        transformers.AutoImageProcessor.from_pretrained(folder)
        result = model.eval()(images)
        return result.logits if hasattr(result, "logits") else result.last_hidden_state[:, 0]


def check(export, source, form, folder):
    """An error text, or nothing."""
    done = subprocess.run([export, "export", "--model", source, "--to", form, "--out", folder], capture_output=True, text=True)
    if not has_word_for(form, source.name):
        return None if done.returncode == 2 else f"exit code {done.returncode}, expected 2"
    if done.returncode != 0:
        return done.stderr.strip()
    expected = load_file(source / "expected.safetensors")
    difference = float((result_of(form, folder, expected["images"]) - expected["logits"]).abs().max())
    return None if difference <= TOLERANCE else f"differs by {difference:.1e}"


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    failures = count = 0
    with tempfile.TemporaryDirectory() as out:
        for source in sorted(path for path in pathlib.Path(sys.argv[2]).iterdir() if path.is_dir()):
            for form in FORMATS:
                count += 1
                problem = check(sys.argv[1], source, form, pathlib.Path(out) / f"{source.name}_{form}")
                if problem:
                    failures += 1
                    print(f"FAILED {source.name} for {form}: {problem}")
    print(f"{count - failures} of {count} exports agree")
    return 0 if count and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
