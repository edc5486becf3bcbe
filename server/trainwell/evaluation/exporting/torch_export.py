"""torch.export: the traced network as a .pt2 archive, which torch loads without any of our code."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainwell.evaluation.exporting.tracing import tensors, traced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.evaluation.exporting import Array, Trained


def write(trained: Trained, rows: Sequence[Array], path: Path) -> None:
    """Trace and save.

    Raises:
        TrainwellError: `not_exportable`.
    """
    torch.export.save(traced(trained.module, rows), str(path))


def run(path: Path, trained: Trained, batches: Sequence[Sequence[Array]]) -> list[Array]:
    """Load and run."""
    del trained
    module = torch.export.load(str(path)).module()
    with torch.inference_mode():
        return [module(*tensors(batch)).numpy() for batch in batches]
