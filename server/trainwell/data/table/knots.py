"""Where a network may bend what it makes of a column: the edges of the pieces that the column's values fall into.

Half of the edges go by the rows, so that each piece holds about as many of them; half by the different values, so that
a column that is nearly always zero still has pieces where it is not. Where most rows hold one value and few others
occur, each of them has an edge: such amounts often mean something of their own (a capital gain of 7,298, say).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.data.table.encode import Encoding, width

if TYPE_CHECKING:
    from collections.abc import Sequence

Knots = tuple[tuple[float, ...], ...]

PIECES = 32
# Beside a value that most rows hold, so many different ones have an edge each.
RARE_VALUES = 128
# Two values have one piece, which is a straight line.
_FEWEST = 3
# In deviations of the column; nearer ones would only make steep slopes.
_NEAREST = 1e-3
# More inputs than this are mostly zeros and ones, and no network takes pieces of so many columns.
MOST_INPUTS = 512
# Quantiles need no more rows than this.
_MOST_ROWS = 200_000


def fit_knots(encodings: Sequence[Encoding], inputs: np.ndarray[Any, np.dtype[np.float32]]) -> Knots:
    """The knots of each input value, in its scale; none for what is no number, and for tables that are too wide.

    Args:
        encodings: Of the columns, in order.
        inputs: (rows, values) the training rows, encoded.

    Returns: One entry for each value, ascending; empty as a whole where no value has knots.
    """
    if not 0 < inputs.shape[1] <= MOST_INPUTS:
        return ()
    step = -(-len(inputs) // _MOST_ROWS)
    found: list[tuple[float, ...]] = []
    for encoding in encodings:
        values = width(encoding)
        if values and encoding["as"] in {"number", "date"}:
            found.append(_knots(inputs[::step, len(found)]))
            values -= 1
        found += [()] * values
    return tuple(found) if any(found) else ()


def _knots(values: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[float, ...]:
    different, counts = np.unique(values, return_counts=True)
    if len(different) < _FEWEST:
        return ()
    most = RARE_VALUES if 2 * counts.max() > len(values) else PIECES
    if len(different) > most + 1:
        shares = np.linspace(0, 1, PIECES // 2 + 1)
        different = np.unique([np.quantile(values, shares), np.quantile(different, shares)])
    apart = np.diff(different, prepend=-np.inf) > _NEAREST
    rounded = tuple(float(f"{knot:.5g}") for knot in different[apart])
    return rounded if len(rounded) >= _FEWEST else ()
