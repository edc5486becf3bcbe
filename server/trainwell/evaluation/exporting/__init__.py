"""A trained network in a file that others read: written, read back, and compared before it gets its name.

One file a format, named as the format is, with `write(trained, rows, path)` and `run(path, trained, batches)`, which
gives the outputs of the network that was read back. Beside the file go a card (`<file>.md`, for people) and its
encoding (`<file>.json`, for programs): what the inputs mean and how raw rows become them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation.exporting import script
from trainwell.evaluation.exporting.card import OUTPUTS, encoding_of, model_card
from trainwell.evaluation.outputs import outputs
from trainwell.store.atomic import place, write_synced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from trainwell.contract.specs import ModelSpec, PreparedData
    from trainwell.data.parts import SplitArrays

    Array = NDArray[Any]

#: Rows that the file is compared on; as batches of one row, of two, and of all, for the batch must stay dynamic.
COMPARED_ROWS = 64
#: How far an output may lie apart, as a share of the largest: other kernels round otherwise.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trained:
    """What is exported: the network, what it was built and trained from, and the card that a checkpoint has.

    `folder` is where its prepared data lies, for a script to read.
    """

    module: nn.Module
    model: ModelSpec
    data: PreparedData
    card: dict[str, Any]
    folder: str = "."


class Format(Protocol):
    """What a format's file offers."""

    def write(self, trained: Trained, rows: Sequence[Array], path: Path) -> None:
        """Write the network. rows: one (B, ...) array for each input, B at least 2, for formats that trace it."""
        ...

    def run(self, path: Path, trained: Trained, batches: Sequence[Sequence[Array]]) -> list[Array]:
        """Read the file and put batches of inputs through it. Returns: (B, K) float32 for each."""
        ...


def format_of(name: str) -> Format:
    """The format of this name; the manifest lists them."""
    return cast("Format", import_module(f"{__name__}.{name}"))


def export(name: str, trained: Trained, rows: SplitArrays | None, path: Path, *, report: dict[str, Any] | None) -> Any:
    """Write a network and what belongs beside it; nothing stays where the file says something else than the network.

    Args:
        name: A format.
        trained: What to export; the module is left in evaluation mode.
        rows: Real rows to compare on; None takes random ones, and says so.
        path: Where to; replaced when it is there.
        report: Of `evaluate` on the test part, for the card.

    Returns: JSON: `largest_difference`, `compared_rows`, `real_rows`, `files` (names beside `path`), `notes`.

    Raises:
        TrainwellError: `extra_missing`, `not_exportable`, `export_differs`.
    """
    kind = format_of(name)
    trained.module.eval()
    inputs = _some(trained, rows)
    told: dict[str, Any] = {"compared_rows": len(inputs[0]), "real_rows": rows is not None}
    beside = {".json": json.dumps(encoding_of(trained.data, name), indent=1)}

    def write(temporary: Path) -> None:
        kind.write(trained, inputs, temporary)
        told["largest_difference"] = compare(kind, trained, inputs, temporary)
        beside[".md"] = model_card(name, path.name, trained.card, report, told)

    place(path, write)
    for suffix, text in beside.items():
        content = text.encode()
        place(path.with_name(path.name + suffix), lambda temporary, content=content: write_synced(temporary, content))
    expects = {spec.name: f"(rows{''.join(f', {size}' for size in spec.shape)}) {spec.dtype}"
               for spec in trained.data.inputs}  # fmt: skip
    return {
        **told,
        "files": [path.name, *(path.name + suffix for suffix in sorted(beside))],
        "expects": {"inputs": expects, "outputs": OUTPUTS[trained.data.task]},
        "notes": script.notes(trained) if name == "script" else [],
    }


def compare(kind: Format, trained: Trained, inputs: Sequence[Array], path: Path) -> float:
    """The largest difference between the network and what was read back from its file.

    Raises:
        TrainwellError: `export_differs`.
    """
    largest, scale = 0.0, 1.0
    batches = [[array[:count] for array in inputs] for count in (len(inputs[0]), 1, 2)]
    for found, batch in zip(kind.run(path, trained, batches), batches, strict=True):
        expected = np.concatenate(list(outputs(trained.module, batch)))
        apart = np.abs(found.astype(np.float64) - expected).max() if found.shape == expected.shape else np.inf
        largest = max(largest, float(np.nan_to_num(apart, nan=np.inf)))
        scale = max(scale, float(np.abs(expected).max()))
    if largest > TOLERANCE * scale:
        raise TrainwellError(
            "export_differs", f"The file gives outputs that differ from the network's by up to {largest:.3g}.",
            argument="format", allowed="safetensors", hint="Nothing was written. safetensors keeps the weights as they "
            "are.",
        )  # fmt: skip
    return largest


def _some(trained: Trained, rows: SplitArrays | None) -> list[Array]:
    """At least two rows, copied, as tracing must not be handed read-only memory."""
    if rows is not None and len(rows.target) > 1:
        return [np.array(array[:COMPARED_ROWS]) for array in rows.inputs]
    draw = np.random.default_rng(0)
    return [_random(spec, draw) for spec in trained.data.inputs]


def _random(spec: Any, draw: np.random.Generator) -> Array:
    shape = (COMPARED_ROWS, *spec.shape)
    if spec.role == "categories":
        return np.stack([draw.integers(0, size, COMPARED_ROWS) for size in spec.sizes], axis=1)
    if spec.role == "tokens":
        return draw.integers(0, spec.sizes[0], shape).astype(spec.dtype)
    if spec.role == "length":
        return np.ones(shape, np.int64)
    if spec.role == "image":
        return draw.integers(0, 256, shape).astype(spec.dtype)
    return draw.standard_normal(shape).astype(spec.dtype)
