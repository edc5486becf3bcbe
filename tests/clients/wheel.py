"""The built wheel, installed: what clients are connected to is what a person gets, not this checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence


def install(folder: Path) -> None:
    """Build the wheel and install it below a folder; its dependencies are lent from here by a path file.

    Raises:
        subprocess.CalledProcessError: It cannot be built or installed.
    """
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
    _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "dist", ROOT])
    _run([sys.executable, "-m", "venv", "--without-pip", folder / "wheel"])
    python = folder / "wheel" / "bin" / "python"
    _run([*pip, "--python", python, "install", "--no-deps", *(folder / "dist").glob("*.whl")])
    packages = next((folder / "wheel" / "lib").glob("python*/site-packages"))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def trainwell(folder: Path) -> str:
    """The command of the installed wheel."""
    return str(folder / "wheel" / "bin" / "trainwell")


def _run(words: Sequence[str | Path]) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
