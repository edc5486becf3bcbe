"""All facts of the rows that a run learns from and is judged by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainwell.data.facts import inputs, signal, splits, targets
from trainwell.data.facts.sample import draw

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays


def gather(prepared: PreparedData, train: SplitArrays, validation: SplitArrays, *, ordered: bool) -> dict[str, Any]:
    """Look at a bounded sample of both splits.

    Args:
        prepared: What the arrays are.
        train: Rows to learn from.
        validation: Rows to judge by.
        ordered: Whether training takes its rows in the order in which they stand here.

    Returns:
        JSON by name; see the modules of this room for what each name means.
    """
    own, others = draw(prepared, train, ordered=ordered), draw(prepared, validation, ordered=False)
    found = {
        "data.rows_looked_at": len(own.rows),
        **inputs.facts(own),
        **targets.facts(prepared, own, others, ordered=ordered),
        **splits.facts(own, others),
        **signal.facts(prepared, own, others),
    }
    return {name: _plain(value) for name, value in found.items() if _is_known(value)}


def _is_known(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _plain(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
