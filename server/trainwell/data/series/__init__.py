"""Series: whole ones to be told apart or measured, and tables of past values from which the next are forecast."""

from __future__ import annotations

import numpy as np

from trainwell.data.parts import Array


def span(first: int, last: int) -> Array:
    """The whole numbers first, ..., last - 1 as int64."""
    return np.arange(first, last, dtype=np.int64)
