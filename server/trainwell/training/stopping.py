"""When a run that gets no better ends: not before the learning rate has come down, for there most of the gain is.

Patience is counted from the end of the warm-up. When it has run out under a schedule that falls, the fall is brought
forward: over a few more epochs the rate goes from where it is to zero along a line, and then the run ends. Under a
schedule that does not fall the run ends at once. (On digits with onecycle over 40 epochs and a patience of 15, an end
at once came at epoch 36 and cost 0.005 of test accuracy.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# The last fall takes this share of the epochs done when patience ran out.
LAST_FALL_SHARE = 0.2


@dataclass
class Ending:
    """The last fall of the rate, once it has been brought forward.

    Attributes:
        since: Epochs done when it began.
        until: Epochs done when it ends, and with it the run; None while nothing was brought forward.
    """

    since: int | None = None
    until: int | None = None

    def bring_forward(self, epoch: int, planned: int) -> bool:
        """Begin the last fall after `epoch` of `planned` epochs, unless the planned end is as near; True when begun."""
        until = epoch + max(1, math.ceil(LAST_FALL_SHARE * epoch))
        if self.until is not None or until >= planned:
            return False
        self.since, self.until = epoch, until
        return True

    def rates(self, start: float, first: int, last: int, steps_per_epoch: int) -> list[float]:
        """The rates of steps first, ... last - 1 of the whole run, within the last fall.

        Args:
            start: The rate that it begins from.
            first: A step of the last fall.
            last: A step of it, or its end.
            steps_per_epoch: Optimizer steps of an epoch.
        """
        since, until = self.since or 0, self.until or 0
        begin, length = since * steps_per_epoch, (until - since) * steps_per_epoch
        return [start * (1 - (step - begin) / length) for step in range(first, last)]


def out_of_patience(patience: int, waited: int, epoch: int, rising: float) -> bool:
    """Whether a run has waited long enough for a better score.

    Args:
        patience: Epochs; 0 is without end.
        waited: Epochs since the best one.
        epoch: Epochs done.
        rising: Epochs in which the rate rises; they do not count.
    """
    return patience > 0 and min(waited, epoch - rising) >= patience
