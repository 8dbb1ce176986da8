#!/usr/bin/env python3
"""Writes include/minivit/io/timm_architectures.hpp: what timm's names of Vision Transformers stand for.

    python3 -m venv ref && ref/bin/pip install torch timm
    ref/bin/python tests/data/make_timm_architectures.py

Taken from timm itself: every name is asked for, and what it hands to the model's class is written down. Names are
those of the classes VisionTransformer and VisionTransformerDistilled, and all others that begin with vit_ or deit.
Made with timm 1.0.31.
"""

import functools
import inspect
import json
import pathlib
import sys

import timm
from timm.models import _registry, deit, vision_transformer, vision_transformer_hybrid

HEADER = pathlib.Path(__file__).parents[2] / "include/minivit/io/timm_architectures.hpp"
OF_THE_FACTORY = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_filter_fn", "pretrained_strict",
                  "feature_cfg", "kwargs_filter", "cache_dir"}


class Seen(Exception):
    pass


def seen(model_class, variant, pretrained=False, **arguments):
    raise Seen(model_class, {k: v for k, v in arguments.items() if k not in OF_THE_FACTORY})


def said(value):
    """The value as JSON: classes by name, with what is bound to them."""
    if value is timm.layers.SwiGLUPacked:
        return "SwiGLUPacked"
    if isinstance(value, functools.partial):
        bound = ", ".join(f"{k}={v}" for k, v in value.keywords.items())
        return f"{said(value.func)}({bound})"
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    return value


def arguments_of(name):
    entry = _registry.model_entrypoint(name)
    module = sys.modules[entry.__module__]
    if module not in (deit, vision_transformer):
        # Another kind of model, refused by its name.
        if module is vision_transformer_hybrid:
            return {"model_class": "VisionTransformer behind a convolutional network"}
    before, module.build_model_with_cfg = module.build_model_with_cfg, seen
    try:
        entry()
    except Seen as found:
        model_class, arguments = found.args
    finally:
        module.build_model_with_cfg = before
    if model_class.__name__ == "VisionTransformerDistilled":
        return {k: said(v) for k, v in arguments.items()} | {"distilled": True}
    if model_class.__name__ == "VisionTransformer":
        return {k: said(v) for k, v in arguments.items()}
    return {"model_class": model_class.__name__}


def names():
    for name in sorted(_registry.list_models()):
        module = sys.modules[_registry.model_entrypoint(name).__module__]
        if name.startswith(("vit_", "deit")) or module in (deit, vision_transformer):
            yield name


rows = [(name, json.dumps(arguments_of(name), separators=(",", ":"))) for name in names()]
lines = "\n".join(f'    {{"{name}", R"j({arguments})j"}},' for name, arguments in rows)
HEADER.write_text(f"""\
// Names of timm's Vision Transformers, and what each stands for. Written by
// tests/data/make_timm_architectures.py with timm {timm.__version__}; not edited by hand.
#pragma once

#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::detail {{

/// A name of timm's and the arguments with which it makes its model, those that differ from the class's own,
/// as JSON. model_class: it makes another kind of model.
struct TimmArchitecture {{
  std::string_view name, arguments;
}};

// clang-format off
inline constexpr TimmArchitecture kTimmArchitectures[] = {{  // sorted
{lines}
}};
// clang-format on

}}  // namespace minivit::inline MINIVIT_ABI::detail
""")
print(len(rows), "names")
