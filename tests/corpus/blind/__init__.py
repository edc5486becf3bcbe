"""The blind part: by somebody who had not read the rules, about slips of the strength that people make.

No rule was changed because of it. Once one is, its cases belong to `tuning`, and a new blind part must be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.blind import capacity, construction, data, healthy, odd, optimisation

if TYPE_CHECKING:
    from tests.corpus.cases import Collection


def add(to: Collection) -> None:
    """All cases, the healthy ones first."""
    for part in (healthy, odd, data, optimisation, capacity, construction):
        part.add(to)
