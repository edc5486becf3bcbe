"""Connects real clients to the real server, from npm, in a temporary folder: `make clients`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients import connecting, npm, wheel

CLIENTS = {
    npm.CLAUDE_CODE: connecting.claude_code_connects,
    npm.GEMINI: connecting.gemini_connects,
    npm.CODEX: connecting.codex_takes_it,
}


def main() -> int:
    """Install, connect, report; 1 when a client was not content."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="trainwell-clients-") as name:
        folder = Path(name)
        (folder / "workspace").mkdir()
        packages = [*CLIENTS, npm.INSPECTOR]
        npm.say(f"installing {', '.join(packages)}")
        npm.install(folder, *packages)
        wheel.install(folder)
        tries = dict(CLIENTS)
        tries |= {f"{npm.INSPECTOR}, {era} era": lambda where, era=era: connecting.inspector_is_content(where, era)
                  for era in ("legacy", "modern")}  # fmt: skip
        for package, connect in tries.items():
            try:
                npm.say(f"{package}: {connect(folder)}")
            except (connecting.NotContentError, subprocess.CalledProcessError) as error:
                failed = 1
                npm.say(f"{package}: NOT CONTENT: {getattr(error, 'output', error)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
