"""What the whole-tree laws look at: sources, manifest, papers. Reads files; imports nothing of trainwell."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "server" / "trainwell"
TOOLS = PACKAGE / "tools"
SCHEMAS = ROOT / "schemas"


def sources() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def papers() -> list[Path]:
    """Every Markdown file of the repository: at the root, in docs and in skills."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "skills").rglob("*.md")])


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def manifest() -> dict[str, list[dict[str, Any]]]:
    """Tool name -> its parameters as `SKILL.md` has them, required ones first."""
    text = (ROOT / "SKILL.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("\n---\n", 1)[0].removeprefix("---\n"))
    grammar = {"train": front["parameters"]} | {name: tool["parameters"] for name, tool in front["tools"].items()}
    return {
        name: [{**one, "required": kind == "required"} for kind in ("required", "optional") for one in parameters[kind]]
        for name, parameters in grammar.items()
    }


def is_tool_module(path: Path) -> bool:
    """A tool's file defines `call` and `Arguments`; other files of the room are its furniture."""
    names = {node.name for node in parsed(path).body if isinstance(node, ast.AsyncFunctionDef | ast.ClassDef)}
    return {"call", "Arguments"} <= names


def tool_modules() -> dict[str, Path]:
    """Tool name -> its file."""
    return {path.stem: path for path in sorted(TOOLS.glob("*.py")) if is_tool_module(path)}
