"""The codes of refusals, read from where they are made."""

from __future__ import annotations

import ast

from tests.contracts.tree import PACKAGE, parsed, sources

MAKERS = {"TrainwellError", "Problem"}


def codes_of() -> set[str]:
    """Every code that the package can raise."""
    return {code for _, place in _places() for code in _literals(place) or ()}


def unreadable_codes() -> list[str]:
    """Where a code is neither a literal, nor a choice of two, nor the code of another refusal that is passed on."""
    return [at for at, place in _places() if _literals(place) is None and not _passes_on(place)]


def _places() -> list[tuple[str, ast.expr]]:
    """Where refusals are made, and the expression of their code."""
    return [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", node.args[0])
        for path in sources()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS
    ]


def _literals(code: ast.expr) -> set[str] | None:
    if isinstance(code, ast.Constant) and isinstance(code.value, str):
        return {code.value}
    if isinstance(code, ast.IfExp):
        first, second = _literals(code.body), _literals(code.orelse)
        return first | second if first and second else None
    return None


def _passes_on(code: ast.expr) -> bool:
    return isinstance(code, ast.Attribute) and code.attr == "code"
