"""Weights and buffers by name in one safetensors file, with the card in its metadata; load_checkpoint reads it, too.

Any safetensors library reads the tensors; the network around them must be built from the card, or be one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from trainwell import architectures
from trainwell.evaluation.outputs import outputs
from trainwell.training.portable import export_file, read_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from trainwell.evaluation.exporting import Array, Trained


def write(trained: Trained, rows: Sequence[Array], path: Path) -> None:
    """Write weights and card."""
    del rows
    export_file(path, cast("dict[str, Tensor]", trained.module.state_dict()), trained.card)


def run(path: Path, trained: Trained, batches: Sequence[Sequence[Array]]) -> list[Array]:
    """Build the network anew and load the weights into it."""
    weights, _ = read_file(path)
    module = architectures.build(trained.model.architecture, trained.model.options, trained.model.shapes)
    module.load_state_dict(weights, strict=True)
    return [np.concatenate(list(outputs(module, batch))) for batch in batches]
