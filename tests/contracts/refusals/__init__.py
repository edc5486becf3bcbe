"""Every refusal, brought about and read: `python -m tests.contracts.refusals` writes the pages that a person reads.

A scene (a file in `scenes/`) brings its refusals about as they come about for those who use trainwell: by calls of
tools, commands and lines of Python, on real files and with real faults. Its page in `pages/` shows the first of each
code as it is read; `test_refusals.py` holds the code to the pages, and every code to having a place on one of them.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tests.contracts.refusals import scenes
from tests.contracts.refusals.front import Refusal, workers_here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Scene(Protocol):
        """A file in `scenes/`."""

        __doc__: str

        def refusals(self, root: Path) -> Iterator[Refusal]: ...


PAGES = Path(__file__).parent / "pages"
NAMES = sorted(module.name for module in pkgutil.iter_modules(scenes.__path__))


def scene(name: str) -> Scene:
    """The scene of this name."""
    return cast("Scene", import_module(f"{scenes.__name__}.{name}"))


def provoked(name: str, root: Path) -> list[Refusal]:
    """The first refusal of each code of a scene, in the order of the codes."""
    found: dict[str, Refusal] = {}
    with workers_here():
        for refusal in scene(name).refusals(root):
            found.setdefault(refusal.code, refusal)
    return [found[code] for code in sorted(found)]


def page(name: str, refusals: list[Refusal], root: Path) -> str:
    """A scene's page."""
    head = (
        f"# {scene(name).__doc__.splitlines()[0]}\n\nWritten by `python -m tests.contracts.refusals`; read it when it "
        "changes. The first refusal of each code, under\nwhat brought it about.\n"
    )
    return "\n".join([head, *(refusal.shown(root) for refusal in refusals)])


def on_pages() -> set[str]:
    """Every code that has a place on a page."""
    lines = (line for file in PAGES.glob("*.md") for line in file.read_text(encoding="utf-8").splitlines())
    return {line.removeprefix("## ") for line in lines if line.startswith("## ")}


def write(name: str, root: Path) -> int:
    """Write a scene's page. Returns: how many refusals it shows."""
    found: Any = provoked(name, root)
    (PAGES / f"{name}.md").write_text(page(name, found, root), encoding="utf-8")
    return len(found)
