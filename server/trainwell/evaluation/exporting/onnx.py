"""ONNX: the traced network for onnxruntime and whatever else reads it; checked with onnxruntime.

Source: torch.onnx.export with dynamo=True (docs.pytorch.org/docs/stable/onnx_export.html).
"""

# onnxruntime and the exporter come without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation.exporting.tracing import refusal, traced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.evaluation.exporting import Array, Trained

NEEDS = ("onnx", "onnxscript", "onnxruntime")
#: Larger files than protobuf allows in one piece would need a second file beside them.
MOST_BYTES = 2**31 - 2**20


def write(trained: Trained, rows: Sequence[Array], path: Path) -> None:
    """Trace, translate and save.

    Raises:
        TrainwellError: `extra_missing`, `not_exportable`, `model_too_large`.
    """
    _require()
    size = sum(tensor.nbytes for tensor in trained.module.state_dict().values())
    if size > MOST_BYTES:
        raise TrainwellError(
            "model_too_large", "An ONNX file holds at most 2 GB of weights.", argument="format", got=f"{size:,} bytes",
            allowed=["safetensors", "torch_export"],
        )  # fmt: skip
    program = traced(trained.module, rows)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own parts, which nobody here can change
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, external_data=False,
                input_names=[spec.name for spec in trained.data.inputs], output_names=["output"],
            )  # fmt: skip
    except Exception as error:
        raise refusal(error) from error
    assert made is not None  # noqa: S101 - it is what dynamo=True gives
    made.save(str(path))


def run(path: Path, trained: Trained, batches: Sequence[Sequence[Array]]) -> list[Array]:
    """Run by onnxruntime on the CPU, with one thread."""
    del trained
    import onnxruntime  # noqa: PLC0415 - an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return [np.asarray(session.run(None, dict(zip(names, batch, strict=True)))[0]) for batch in batches]


def _require() -> None:
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise TrainwellError(
            "extra_missing", f"ONNX needs {', '.join(missing)}, which is not installed here.", argument="format",
            got="onnx", allowed=["safetensors", "torch_export", "script"],
            hint="Install it with: pip install 'trainwell[export]'.",
        )  # fmt: skip
