"""The picture of a diagnosis as a request: from records to JSON on the side that asks, and back where it is drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainwell.contract.scores import BALANCED_ACCURACY
from trainwell.diagnosis.settings import weighs_classes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import Trace

SCORES = ("val_accuracy", "val_f1", "val_r2", "val_rmse")


def picture_of(trace: Trace, findings: Sequence[Finding], path: Path, title: str) -> dict[str, Any]:
    """What a worker must know to draw a diagnosis, as JSON."""
    return {
        "epochs": [asdict(record) for record in trace.epochs],
        "signals": [asdict(record) for record in trace.signals],
        "findings": [finding.model_dump(mode="json") for finding in findings],
        "path": str(path),
        "title": title,
        "score_name": _score_of(trace),
    }


def _score_of(trace: Trace) -> str:
    """The score that chose the best weights, as far as it was measured."""
    names = (BALANCED_ACCURACY, *SCORES) if weighs_classes(trace) else SCORES
    known = (name for name in names if any(vars(record)[name] is not None for record in trace.epochs))
    return next(known, SCORES[0])
