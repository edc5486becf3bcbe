"""One page with all of a run inside, to open or to mail: curves, findings, numbers, settings, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.reports.page import report

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.reports.exports import ExportedRun

SUFFIX = ".html"
NEEDS = None


def write(run: ExportedRun, path: Path) -> None:
    """Write the page."""
    path.write_text(report([run.answer], run.environment), encoding="utf-8")
