"""Write one run in one format; what to write comes as JSON over standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trainwell.reports.exports import ExportedRun, format_of

if __name__ == "__main__":
    given = json.load(sys.stdin)
    format_of(given["format"]).write(ExportedRun(**given["run"]), Path(given["path"]))
