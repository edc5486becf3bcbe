"""Real clients take the server into their settings and connect; each function gives a line of what was seen.

They only connect, shake hands and list, which needs no login.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.clients.npm import program, run
from tests.clients.wheel import trainwell

if TYPE_CHECKING:
    from pathlib import Path


class NotContentError(Exception):
    """A client did not connect, or objected to something."""


def claude_code_connects(folder: Path) -> str:
    """Claude Code takes the server into its settings and shakes hands with it."""
    claude = program(folder, "claude")
    run([claude, "mcp", "add", "--scope", "user", "trainwell", "--", trainwell(folder), "serve"], folder)
    return _connected(run([claude, "mcp", "list"], folder))


def gemini_connects(folder: Path) -> str:
    """So does the Gemini CLI."""
    gemini = program(folder, "gemini")
    run([gemini, "mcp", "add", "--scope", "user", "trainwell", trainwell(folder), "serve"], folder)
    return _connected(run([gemini, "mcp", "list"], folder, merged=True))


def codex_takes_it(folder: Path) -> str:
    """Codex takes the server into its settings; it connects only in a session, which needs a login."""
    codex = program(folder, "codex")
    run([codex, "mcp", "add", "trainwell", "--", trainwell(folder), "serve"], folder)
    told = run([codex, "mcp", "list", "--json"], folder)
    listed = json.loads(told[told.index("[") :])
    if [one["name"] for one in listed if one["enabled"]] != ["trainwell"]:
        raise NotContentError(told)
    return "taken, enabled; not connected without a login"


def inspector_is_content(folder: Path, era: str) -> str:
    """The Inspector's command line lists the tools and objects to none of their schemas."""
    answer = inspected(folder, era, "--method", "tools/list", "--strict")[0]
    return f"{len(answer.get('result', answer)['tools'])} tools, no objection"


def inspector_verifies_skills(folder: Path) -> str:
    """It reads every file of every skill and finds its digest as it was told."""
    skills = inspected(folder, "modern", "--method", "skills/list", "--verify", "--require-digests")
    if not skills or any(skill["outcome"] != "verified" for skill in skills):
        raise NotContentError(str(skills))
    return f"{len(skills)} skills, {sum(len(skill['files']) for skill in skills)} files verified"


def inspector_finds_the_page(folder: Path) -> str:
    """It finds the page that get_run is shown with, reads it, and takes its type for an app's."""
    told = inspected(folder, "modern", "--method", "tools/call", "--tool-name", "get_run", "--app-info")[0]["appInfo"]
    if not told["hasApp"]:
        raise NotContentError(str(told))
    return f"get_run is shown with {told['resourceUri']}"


def inspected(folder: Path, era: str, *words: str) -> list[dict]:
    """What the Inspector's command line saw of the server, over stdio: its JSON lines."""
    inspector = program(folder, "mcp-inspector")
    asked = ["--protocol-era", era, "--connect-timeout", "60000", *words, "-q", "--format", "json"]
    told = run([inspector, "--cli", trainwell(folder), "serve", *asked], folder)
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def _connected(told: str) -> str:
    line = next((line for line in told.splitlines() if line.strip("✓✗ ").startswith("trainwell:")), "")
    if "Connected" not in line:
        raise NotContentError(told)
    return line.rpartition(" - ")[2]
