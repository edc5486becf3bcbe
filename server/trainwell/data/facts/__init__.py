"""What rows show before anything is learnt from them, as numbers that rules may judge: `gather`.

A bounded sample is looked at, so that the cost does not grow with the data: 0.02 to 0.2 s. A fact that cannot be told
is left out. Names begin with `data.`, values are JSON; NaN and infinity do not occur.
"""

from trainwell.data.facts.gathering import gather

__all__ = ["gather"]
