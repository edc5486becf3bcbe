"""Where the files that ship beside the code lie: SKILL.md, skills/ and schemas/."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_root() -> Path:
    """The folder with SKILL.md, skills/ and schemas/: `_data` in an installed wheel, else the checkout."""
    shipped = _PACKAGE / "_data"
    return shipped if shipped.is_dir() else _PACKAGE.parent.parent


def resource(*parts: str) -> Path:
    """The path of one shipped file or folder, for example `resource("schemas", "tools")`."""
    return resource_root().joinpath(*parts)
