"""Nothing grows beyond what a reader takes in at once. An exemption would be a literal here, for review to see."""

from __future__ import annotations

import ast

import pytest

from tests.contracts.tree import PACKAGE, ROOT, parsed, sources

LONGEST_FUNCTION = 60
LONGEST_MODULE = 400
LONGEST_CLASS = 250
MOST_METHODS = 15

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def length(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


def too_much(node: ast.AST) -> str | None:
    """What is too much about a function or class, or None."""
    if isinstance(node, FUNCTIONS) and length(node) > LONGEST_FUNCTION:
        return f"line {node.lineno}: function {node.name} has {length(node)} lines, {LONGEST_FUNCTION} are the most"
    if not isinstance(node, ast.ClassDef):
        return None
    if length(node) > LONGEST_CLASS:
        return f"line {node.lineno}: class {node.name} has {length(node)} lines, {LONGEST_CLASS} are the most"
    methods = sum(isinstance(item, FUNCTIONS) for item in node.body)
    if methods > MOST_METHODS:
        return f"line {node.lineno}: class {node.name} has {methods} methods, {MOST_METHODS} are the most"
    return None


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_and_what_is_in_it_stays_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    findings = [finding for node in ast.walk(parsed(path)) if (finding := too_much(node))]

    assert lines <= LONGEST_MODULE, f"{path.relative_to(ROOT)} has {lines} lines; split it by what its parts are about"
    assert not findings, "\n".join(findings)


def test_functions_are_short_in_the_middle_and_at_the_ninetieth_percentile():
    lengths = sorted(
        length(node) for path in sources() for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS)
    )

    assert lengths[len(lengths) // 2] <= 12
    assert lengths[len(lengths) * 9 // 10] <= 30
