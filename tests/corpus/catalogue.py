"""All cases by name."""

from __future__ import annotations

from functools import cache

from tests.corpus import capacity, construction, data, healthy, optimisation, systems
from tests.corpus.cases import Case, Collection


@cache
def catalogue() -> dict[str, Case]:
    """Healthy runs first, then faults by group."""
    collection = Collection()
    for part in (healthy, data, optimisation, capacity, construction, systems):
        part.add(collection)
    return collection.cases
