"""What cannot be judged from what is known of a run that is not ours, and what would have to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.diagnosis.settings import learning_rate
from trainwell.diagnosis.signals import FEWEST_EPOCHS, chance_accuracy, is_regression, measured

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

_VALIDATION = ("val_loss", "val_accuracy", "val_f1", "val_r2", "val_rmse")
_ALWAYS = "data and layers (leaks, wrong labels, dead units): trainwell.watch in the loop, or a run here, sees them"


def unjudged(trace: Trace) -> list[str]:
    """Name what was not judged, each with what is missing; the most important first."""
    if not trace.epochs:
        told = "the course of the run (no numbers by epoch)"
        return [told, _ALWAYS]
    count = max(len(measured(trace, "train_loss")), len(measured(trace, "val_loss")))
    norms = measured(trace, "grad_norm") or measured(trace, "grad_norm_max")
    missing = {
        f"whether it goes on like this (only {count} epochs)": count < FEWEST_EPOCHS,
        "how it fits its training rows (no training loss)": not measured(trace, "train_loss"),
        "overfitting (no validation loss or score)": not any(measured(trace, name) for name in _VALIDATION),
        "causes by the learning rate (no rate)": learning_rate(trace) is None,
        "exploding or vanishing gradients (no gradient norms)": not norms,
        "whether it beats guessing (no num_classes in metrics)": not is_regression(trace)
        and chance_accuracy(trace) is None,
    }
    return [*(sentence for sentence, holds in missing.items() if holds), _ALWAYS]
