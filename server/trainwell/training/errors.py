"""What the engine raises besides `TrainwellError`. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class NonFiniteLoss(ArithmeticError):  # noqa: N818 - it names what was seen
    """A loss, or every gradient of many steps, has become NaN or infinite.

    The weights are finite: a gradient that is not never touches them.

    Attributes:
        step: Number of the first bad step, from 0.
        epoch: Its epoch, from 1.
        what: train_loss, gradient, val_loss or weights.
        norms: Gradient norms of the steps before it in its epoch, as far as they were read.
        facts: What making the step again has shown; see `replay.examine`.
    """

    def __init__(self, step: int, epoch: int, what: str, norms: Sequence[float] = ()) -> None:
        super().__init__(f"{what} is not finite at step {step} of epoch {epoch}")
        self.step = step
        self.epoch = epoch
        self.what = what
        self.norms = norms
        self.facts: dict[str, Any] = {}
