"""All cases by name."""

from __future__ import annotations

from functools import cache

from tests.corpus import capacity, construction, data, drawn, healthy, optimisation, public, second, systems, third
from tests.corpus.cases import PUBLIC, Case, Collection


@cache
def catalogue() -> dict[str, Case]:
    """Healthy runs first, then faults by group."""
    collection = Collection()
    for part in (healthy, data, optimisation, capacity, construction, systems):
        part.add(collection)
    for part, name in ((second, "tuning"), (third, "tuning"), (public, PUBLIC)):
        apart = Collection(name)
        part.add(apart)
        collection.cases |= apart.cases
    return collection.cases


def case_of(name: str) -> Case:
    """A case by its name, written or drawn."""
    return catalogue().get(name) or drawn.known(name)
