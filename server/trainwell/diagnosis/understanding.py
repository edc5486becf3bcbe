"""How a log was understood, and what cannot be judged from it: what would have to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.specs import Spec
from trainwell.diagnosis.settings import learning_rate
from trainwell.diagnosis.signals import FEWEST_EPOCHS, chance_accuracy, is_regression, measured

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace
    from trainwell.diagnosis.foreign import Reading

_VALIDATION = ("val_loss", "val_accuracy", "val_f1", "val_r2", "val_rmse")
_ALWAYS = "data and layers (leaks, wrong labels, dead units): trainwell.watch in the loop, or a run here, sees them"


class Understood(Spec):
    """How a log was understood.

    `columns` maps our names to the columns that gave them; `not_judged` says what the log is too poor for.
    """

    format: str
    epochs: int
    columns: dict[str, str]
    ignored: list[str]
    notes: list[str]
    not_judged: list[str]

    def told(self) -> str:
        """One line: what was read."""
        if not self.epochs:
            return f"Read as a {self.format}: no numbers by epoch in it."
        return " ".join([f"Read {self.epochs} epochs of {', '.join(self.columns)} from a {self.format}.", *self.notes])


def understood(trace: Trace, reading: Reading) -> Understood:
    """What became of a log."""
    return Understood(
        format=reading.format,
        epochs=len(trace.epochs),
        columns={field: column for field, column in reading.columns.items() if field not in ("epoch", "step")},
        ignored=reading.ignored,
        notes=reading.notes,
        not_judged=unjudged(trace),
    )


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
