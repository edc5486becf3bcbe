"""Servers to be judged, each in a process of its own: the product's, and the product's with the suite's fixtures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def fixture_server(folder: Path) -> Generator[str]:
    """The product's server with the suite's fixtures; its address."""
    words = [sys.executable, "-m", "tests.conformance.server", str(folder)]
    log = folder / "server.log"
    with (
        log.open("w", encoding="utf-8") as sink,
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=sink, text=True) as process,
    ):
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
            yield address
        finally:
            process.terminate()


@contextmanager
def served(workspace: Path) -> Generator[str]:
    """A real server over HTTP, for as many requests a second as come; its address."""
    serve = ["serve", "--http", "--port", "0", "--rate", "10000"]
    words = [sys.executable, "-m", "trainwell", "--workspace", str(workspace), *serve]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        address = re.search(r"http://\S+/mcp", process.stderr.readline())[0]
        # The pipe is emptied, so that the server's log cannot fill it.
        with subprocess.Popen([sys.executable, "-c", "import sys\nfor line in sys.stdin: pass"], stdin=process.stderr):
            try:
                yield address
            finally:
                process.terminate()
