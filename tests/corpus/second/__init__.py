"""A second set of cases, by somebody who had not read the rules: other rows, other networks, other sizes of a fault.

Rules were mended because of it since, so that all of it counts as `tuning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.second import construction, data, healthy, learning

if TYPE_CHECKING:
    from tests.corpus.cases import Collection


def add(to: Collection) -> None:
    """All cases, the healthy ones first."""
    for part in (healthy, data, learning, construction):
        part.add(to)
