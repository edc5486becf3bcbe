"""Definitions of ours with all that they use, copied into one text that stands on its own.

A function, class or constant is found by its name in the file that defines it; the names in its body lead on to others,
those from outside trainwell to imports. Annotations are not followed: nobody reads them at run time. What is copied is
the source as it stands, but for two things: what a module of ours is asked for by a dotted name gets its plain name,
and our own error becomes a ValueError. Two things of one name are told apart by the module that they come from.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "trainwell"
ERROR = "TrainwellError"


@dataclass(frozen=True)
class Source:
    """A module of ours, parsed.

    Attributes:
        text: Its source.
        defined: The statement at its top level that defines a name.
        ours: Names imported from ours: the module, and the name there (None: the name is a module itself).
        foreign: Names imported from elsewhere, by the statement that imports them.
    """

    text: str
    defined: dict[str, ast.stmt]
    ours: dict[str, tuple[str, str | None]]
    foreign: dict[str, str]


@cache
def source_of(module: str) -> Source:
    """Read and sort a module's top level; what stands under a condition (TYPE_CHECKING) does not count."""
    spec = find_spec(module)
    text = Path(str(spec.origin if spec else "")).read_text(encoding="utf-8")
    found = Source(text, {}, {}, {})
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
            found.defined.update(dict.fromkeys(names, node))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found.foreign[alias.asname or alias.name] = f"import {_aliased(alias)}"
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            _imported(found, node)
    return found


def _imported(found: Source, node: ast.ImportFrom) -> None:
    module = str(node.module)
    for alias in node.names:
        name = alias.asname or alias.name
        if not module.startswith(OURS):
            found.foreign[name] = f"from {module} import {_aliased(alias)}"
        elif find_spec(module) and _is_module(f"{module}.{alias.name}"):
            found.ours[name] = (f"{module}.{alias.name}", None)
        else:
            found.ours[name] = (module, alias.name)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def _aliased(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


Key = tuple[str, str]


@dataclass
class Bundle:
    """Definitions in the order in which they can be read, each behind what it uses."""

    names: dict[Key, str] = field(default_factory=dict[Key, str])
    imports: set[str] = field(default_factory=set[str])
    parts: list[str] = field(default_factory=list[str])
    _done: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    def add(self, module: str, name: str) -> str:
        """Take in a definition of ours with what it uses. Returns: the name that it has here."""
        home = _home(module, name)
        if home in self.names:
            return self.names[home]
        module, name = home
        source = source_of(module)
        statement = source.defined[name]
        taken = set(self.names.values())
        for one in [key for key, node in source.defined.items() if node is statement]:
            self.names[module, one] = one if one not in taken else f"{one}_{module.rsplit('.', 1)[-1].strip('_')}"
        renames = self._follow(module, source, statement)
        place = (module, statement.lineno)
        if place not in self._done:
            self._done.add(place)
            self.parts.append(_rewritten(source.text, statement, renames))
        return self.names[home]

    def _follow(self, module: str, source: Source, statement: ast.stmt) -> dict[str, str]:
        """Take in what a statement uses. Returns: what names of it are called here, where that is another name."""
        renames: dict[str, str] = {}
        for name in _names_in(statement):
            first, _, rest = name.partition(".")
            if first in source.defined:
                renames[first] = self.add(module, first)
            elif first in source.ours and first != ERROR:
                where, what = source.ours[first]
                if what is None and rest:
                    renames[name] = self.add(where, rest.split(".", maxsplit=1)[0])
                elif what is not None:
                    renames[first] = self.add(where, what)
            elif first in source.foreign:
                self.imports.add(source.foreign[first])
        return {before: now for before, now in renames.items() if before != now}

    def text(self) -> str:
        """Imports and definitions."""
        plain = sorted(self.imports, key=lambda line: (line.startswith("from"), line))
        return "\n".join(plain) + "\n\n\n" + "\n\n\n".join(self.parts)


def _home(module: str, name: str) -> Key:
    """Where a name is defined, through modules that only pass it on."""
    source = source_of(module)
    if name not in source.defined and name in source.ours:
        where, what = source.ours[name]
        return _home(where, str(what))
    return module, name


def _names_in(statement: ast.stmt) -> Iterator[str]:
    """Names and dotted names that are used, without those in annotations."""
    for node in _walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield node.id


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"}:
            continue
        for one in cast("list[object]", value) if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield from _walk(one)


class _Rewriter(ast.NodeTransformer):
    """Renames, and raises what every Python has."""

    def __init__(self, renames: dict[str, str]) -> None:
        self.renames = renames

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """A dotted name of ours becomes a plain one."""
        dotted = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""
        if dotted in self.renames:
            return ast.copy_location(ast.Name(self.renames[dotted], node.ctx), node)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Another name where two things had one."""
        node.id = self.renames.get(node.id, node.id)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The error of ours with its message."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == ERROR:
            return ast.Call(ast.Name("ValueError", ast.Load()), node.args[1:2], [])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """See `visit_Name`."""
        node.name = self.renames.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """See `visit_Name`."""
        node.name = self.renames.get(node.name, node.name)
        self.generic_visit(node)
        return node


def _rewritten(text: str, statement: ast.stmt, renames: dict[str, str]) -> str:
    """The statement's own text where nothing in it changes, comments and all; else written anew."""
    decorators = statement.decorator_list if isinstance(statement, ast.FunctionDef | ast.ClassDef) else []
    first = min([statement.lineno, *(one.lineno for one in decorators)])
    own = "\n".join(text.splitlines()[first - 1 : statement.end_lineno])
    before = ast.dump(ast.parse(own))
    changed = _Rewriter(renames).visit(ast.parse(own))
    return own if ast.dump(changed) == before else ast.unparse(ast.fix_missing_locations(changed))
