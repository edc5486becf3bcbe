"""A rule: one file under `rules/`, found by being there, that judges a trace."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import Trace


class Rule(Protocol):
    """What a file under `rules/` offers."""

    def check(self, trace: Trace) -> Finding | None:
        """Judge a trace; None when the rule has nothing to say."""
        ...


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its code, which is the name of its file."""
    package = import_module("trainwell.diagnosis.rules")
    names = sorted(module.name for module in iter_modules(package.__path__) if not module.name.startswith("_"))
    return {name: cast("Rule", import_module(f"{package.__name__}.{name}")) for name in names}


def explains(code: str) -> tuple[str, ...]:
    """The codes that follow from a rule's finding, as its `EXPLAINS` says; none for a rule that has no such word."""
    rule = rules().get(code)
    return () if rule is None else tuple(getattr(rule, "EXPLAINS", ()))
