"""What the engine raises besides `TrainwellError`. Imports no torch."""

from __future__ import annotations


class NonFiniteLoss(ArithmeticError):  # noqa: N818 - it names what was seen
    """A loss, or every gradient of many steps, has become NaN or infinite.

    The weights are finite: a gradient that is not never touches them.

    Attributes:
        step: Number of the first bad step, from 0.
        epoch: Its epoch, from 1.
        what: train_loss, gradient or val_loss.
    """

    def __init__(self, step: int, epoch: int, what: str) -> None:
        super().__init__(f"{what} is not finite at step {step} of epoch {epoch}")
        self.step = step
        self.epoch = epoch
        self.what = what
