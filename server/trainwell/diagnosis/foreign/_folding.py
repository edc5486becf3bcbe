"""From rows as they were logged (by step, by epoch, several an epoch) to one row an epoch."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwell.diagnosis.foreign._document import Cells
    from trainwell.diagnosis.logs import Row

# With fewer epochs than this, the rows within an epoch are the course of the run.
FEWEST_EPOCHS = 3
# More rows than this without epochs are steps, whose noise would read as bouncing: they are put together.
MOST_ROWS = 60
BLOCKS = 30
# More epochs than this are put together as well.
MOST_EPOCHS = 2000
JUDGED = ("val_loss", "val_accuracy", "val_f1", "val_r2", "val_rmse")


def fold(rows: list[Cells]) -> tuple[list[Row], list[str]]:
    """Put rows together.

    Args:
        rows: By the names of our records, in order, with `epoch` and `step` where they are known.

    Returns:
        One row an epoch, or a block of steps, or a line where there are few of them; and what was done, in sentences.
    """
    groups = _by_epoch(rows)
    if FEWEST_EPOCHS <= len(groups) <= MOST_EPOCHS:
        return [_together(group) | {"epoch": float(epoch)} for epoch, group in groups.items()], []
    if len(rows) <= MOST_ROWS:
        return [dict(row) for row in rows], []
    blocks = [block for block in _blocks(rows) if block]
    size = round(len(rows) / len(blocks))
    by = f"up to step {blocks[-1][-1]['step']:.0f}" if "step" in blocks[-1][-1] else f"of {len(rows)} lines"
    note = f"It counts steps: {len(blocks)} blocks of about {size} lines {by} stand for epochs."
    return [{name: value for name, value in _together(block).items() if name != "epoch"} for block in blocks], [note]


def _by_epoch(rows: list[Cells]) -> dict[int, list[Cells]]:
    """Rows by epoch; a row without one belongs to the epoch before it. Epoch 2.4 of a step is in the third."""
    epochs = [row["epoch"] for row in rows if math.isfinite(row.get("epoch", math.nan))]
    fractions = any(epoch != int(epoch) for epoch in epochs)
    groups: dict[int, list[Cells]] = {}
    now: int | None = None
    for row in rows:
        if math.isfinite(epoch := row.get("epoch", math.nan)):
            now = max(math.ceil(epoch - 1e-6), 1) if fractions else int(epoch)
        if now is not None and set(row) - {"epoch", "step"}:
            groups.setdefault(now, []).append(row)
    return dict(sorted(groups.items()))


def _blocks(rows: list[Cells]) -> list[list[Cells]]:
    """Blocks that end where validation was measured, else thirty of equal length."""
    judged = [place + 1 for place, row in enumerate(rows) if any(name in row for name in JUDGED)]
    if FEWEST_EPOCHS <= len(judged) <= len(rows) // 3:
        edges = [0, *judged, len(rows)]
    else:
        edges = [len(rows) * place // BLOCKS for place in range(BLOCKS + 1)]
    return [rows[a:b] for a, b in pairwise(edges)]


def _last(values: list[float]) -> float:
    return values[-1]


def _mean(values: list[float]) -> float:
    """One NaN among them is a NaN, and infinity does not overflow."""
    return fmean(values) if all(map(math.isfinite, values)) else next(v for v in values if not math.isfinite(v))


# What stands for many values of a field; the mean for those that are not named.
_TOGETHER: dict[str, Callable[[list[float]], float]] = {
    "epoch": _last,
    "step": _last,
    "lr": _last,
    "grad_norm": median,
    "grad_norm_max": max,
    **dict.fromkeys(JUDGED, _last),
}


def _together(group: list[Cells]) -> Row:
    values: dict[str, list[float]] = {}
    for row in group:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: _TOGETHER.get(name, _mean)(column) for name, column in values.items()}
