"""Files that are found by being there hold the contract of their room and do not know each other."""

from __future__ import annotations

import ast

import pytest

from tests.contracts.tree import PACKAGE, parsed

# What makes a file one of its kind; the other files of the room are furniture that siblings may share.
DEFINES = {
    "tools": {"Arguments", "Result", "TITLE", "HINTS", "call"},
    "architectures": {"Config", "build"},
    "data/kinds": {"KIND", "TASKS", "Config", "recognise", "inspect", "prepare", "encode"},
    "diagnosis/rules": {"check"},
    "evaluation/exporting": {"write", "run"},
}


def names_defined(path):
    body = parsed(path).body
    assigned = (
        node.targets[0] if isinstance(node, ast.Assign) else node.target
        for node in body
        if isinstance(node, ast.Assign | ast.AnnAssign)
    )
    defined = (node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))
    return {target.id for target in assigned if isinstance(target, ast.Name)} | set(defined)


def siblings(room):
    return [path for path in sorted((PACKAGE / room).glob("*.py")) if names_defined(path) >= DEFINES[room]]


def modules_imported(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FOUND = [(room, path) for room in DEFINES for path in siblings(room)]
IDS = [f"{room}/{path.name}" for room, path in FOUND]


@pytest.mark.parametrize("room", sorted(DEFINES))
def test_each_room_has_at_least_two_of_its_kind(room):
    assert len(siblings(room)) >= 2


@pytest.mark.parametrize(("room", "path"), FOUND, ids=IDS)
def test_a_sibling_imports_no_other_sibling(room, path):
    others = {f"trainwell.{room.replace('/', '.')}.{other.stem}" for other in siblings(room) if other != path}

    assert others.isdisjoint(modules_imported(path))


@pytest.mark.parametrize(("room", "path"), FOUND, ids=IDS)
def test_a_sibling_says_what_it_is(room, path):
    assert len(ast.get_docstring(parsed(path)) or "") > 20
