"""All cases by name."""

from __future__ import annotations

from functools import cache

from tests.corpus import capacity, construction, data, fresh, healthy, optimisation, public, systems
from tests.corpus.cases import FRESH, PUBLIC, Case, Collection


@cache
def catalogue() -> dict[str, Case]:
    """Healthy runs first, then faults by group."""
    collection = Collection()
    for part in (healthy, data, optimisation, capacity, construction, systems):
        part.add(collection)
    apart, others = Collection(FRESH), Collection(PUBLIC)
    fresh.add(apart)
    public.add(others)
    return collection.cases | apart.cases | others.cases
