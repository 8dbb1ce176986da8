#!/usr/bin/env python3
"""ONNX Runtime predicts what minivit predicts:   check_onnx.py TESTS

TESTS is the program of all tests, which writes models of every kind, images, and what minivit says about them. Each model has
to pass the checker of the onnx package, and its results for one image and for three have to agree within 1e-4. Ends with 0 if
all do, with 1 if any does not, and with 77 where onnx or onnxruntime is not installed.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

TOLERANCE = 1e-4


def difference(path, images, expected):
    """The largest difference of the results for one image and for all; raises if the model is not valid."""
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    for key in ("labels", "preprocessing", "architecture"):
        json.loads(metadata[key])
    largest = 0.0
    for n in (1, len(images)):
        (result,) = session.run(None, {"pixel_values": images[:n]})
        if result.shape != expected[:n].shape:
            raise ValueError(f"the result is {result.shape}, expected {expected[:n].shape}")
        largest = max(largest, float(np.max(np.abs(result - expected[:n]))))
    return largest


def check(folder):
    """True if both models in the folder agree with what minivit said."""
    model = onnx.load(folder / "model.onnx")
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    images = np.fromfile(folder / "images.f32", np.float32).reshape(-1, *shape[1:])
    expected = np.fromfile(folder / "expected.f32", np.float32).reshape(len(images), -1)
    good = True
    for name in ("model.onnx", "external.onnx"):
        try:
            largest = difference(folder / name, images, expected)
        except Exception as error:  # of the checker, the runtime or above: each has its own
            print(f"{folder.name}/{name}: {error}")
            good = False
            continue
        close = largest <= TOLERANCE  # false for NaN
        print(f"{'ok    ' if close else 'FAILED'} {folder.name + '/' + name:52} {largest:.1e}"
              f" of {np.max(np.abs(expected)):.1f}")
        good = good and close
    return good


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.argv[1], "--test-case=onnx: models for other runtimes"], check=True,
                       env={**os.environ, "MINIVIT_ONNX_OUT": out}, stdout=subprocess.DEVNULL)
        folders = sorted(pathlib.Path(out).iterdir())
        results = [check(folder) for folder in folders]
    print(f"{sum(results)} of {len(results)} kinds of models agree")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
