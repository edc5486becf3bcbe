"""Real clients take the server into their settings and connect; each function gives a line of what was seen.

They only connect, shake hands and list, which needs no login.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.clients.npm import TRAINWELL, program, run

if TYPE_CHECKING:
    from pathlib import Path


class NotContentError(Exception):
    """A client did not connect, or objected to something."""


def claude_code_connects(folder: Path) -> str:
    """Claude Code takes the server into its settings and shakes hands with it."""
    claude = program(folder, "claude")
    run([claude, "mcp", "add", "--scope", "user", "trainwell", "--", TRAINWELL, "serve"], folder)
    return _connected(run([claude, "mcp", "list"], folder))


def gemini_connects(folder: Path) -> str:
    """So does the Gemini CLI."""
    gemini = program(folder, "gemini")
    run([gemini, "mcp", "add", "trainwell", TRAINWELL, "serve"], folder)
    return _connected(run([gemini, "mcp", "list"], folder))


def codex_takes_it(folder: Path) -> str:
    """Codex takes the server into its settings; it connects only in a session, which needs a login."""
    codex = program(folder, "codex")
    run([codex, "mcp", "add", "trainwell", "--", TRAINWELL, "serve"], folder)
    told = run([codex, "mcp", "list", "--json"], folder)
    listed = json.loads(told[told.index("[") :])
    if [one["name"] for one in listed if one["enabled"]] != ["trainwell"]:
        raise NotContentError(told)
    return "taken, enabled; not connected without a login"


def inspector_is_content(folder: Path, era: str) -> str:
    """The Inspector's command line lists the tools and objects to none of their schemas."""
    words = ["--method", "tools/list", "--strict"]
    return f"{len(inspected(folder, era, *words)['tools'])} tools, no objection"


def inspected(folder: Path, era: str, *words: str) -> dict:
    """What the Inspector's command line saw of the server, over stdio."""
    inspector = program(folder, "mcp-inspector")
    told = run(
        [inspector, "--cli", TRAINWELL, "serve", "--protocol-era", era, *words, "-q", "--format", "json"], folder
    )
    answer = json.loads(told[told.index("{") :])
    return answer.get("result", answer)


def _connected(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if "trainwell" in line]
    if not lines or "Connected" not in lines[0]:
        raise NotContentError(told)
    return lines[0].rpartition(" - ")[2]
