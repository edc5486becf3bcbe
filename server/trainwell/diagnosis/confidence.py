"""What a confidence means: how often a first finding of that confidence named the cause on the corpus.

Rules say how strong their evidence is. How often they are right with it is known of runs whose steps and rows were
seen, since the corpus is made of such: on its tuning part 163 of 176 first findings were right, with little difference
between weak evidence and strong. So the scale is bent by what was counted there, less a little where few were counted.
Logs and words of others are not in that count: of them a rule's own word stands.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# What a rule says, and what is made of it; straight lines between. Counted on the tuning part (right of all): up to .7
# 9 of 10, up to .82 24 of 26, .85 35 of 38, up to .93 58 of 62, above 37 of 40.
KNOTS = ((0.0, 0.0), (0.5, 0.5), (0.65, 0.83), (0.85, 0.91), (0.93, 0.93), (0.98, 0.96), (1.0, 1.0))


def meant(said: float, trace: Trace) -> float:
    """The confidence of a finding, from what its rule says; never in another order than the rules'."""
    if not trace.facts:
        return said
    place = min(bisect_right(KNOTS, (said, 1.0)), len(KNOTS) - 1)
    (low, least), (high, most) = KNOTS[place - 1 : place + 1]
    return round(least + (said - low) / (high - low) * (most - least), 2)
