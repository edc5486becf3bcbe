"""Everything that others use to judge a server like this one, as a table: `make conformance`.

The official suite (both revisions, tasks included), the Inspector, Claude Code's, Gemini's and MCPB's validators, the
skill validator, a security scanner, real clients, and a load of readers beside a training. What comes from npm or is
the scanner is left out, and said to be, where it cannot be had.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.clients import connecting, npm, wheel
from tests.conformance import scanning
from tests.conformance.load import under_load
from tests.conformance.serving import fixture_server
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

REVISIONS = ("2026-07-28", "2025-11-25")
PACKAGES = (npm.CONFORMANCE, npm.INSPECTOR, npm.CLAUDE_CODE, npm.MCPB, npm.GEMINI, npm.CODEX)


class Table:
    """Rows as they come, and whether all were well."""

    def __init__(self) -> None:
        self.failed = 0

    def row(self, name: str, told: str, *, well: bool, seconds: float | None = None) -> None:
        self.failed += not well
        took = f"{seconds:6.1f} s" if seconds is not None else " " * 8
        npm.say(f"{'ok  ' if well else 'FAIL'} {took}  {name:<44} {told}")

    def leave_out(self, name: str, why: str) -> None:
        npm.say(f"left out {' ' * 5}  {name:<44} {why}")

    def check(self, name: str, look: Callable[[], str]) -> None:
        began = time.monotonic()
        try:
            told, well = look(), True
        except (connecting.NotContentError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            told, well = str(getattr(error, "output", None) or error)[-2000:], False
        self.row(name, told.strip(), well=well, seconds=time.monotonic() - began)


def suite(folder: Path, address: str, revision: str) -> str:
    """The official suite; a failure of what the revision requires is its exit code."""
    words = [npm.program(folder, "conformance"), "server", "--url", address, "--requirements", revision]
    told = run_or_output(words, folder)
    scenarios = re.findall(r"^([✓✗]) (\S+): (\d+) passed, (\d+) failed", told, re.MULTILINE)
    broken = [name for mark, name, _, _ in scenarios if mark == "✗"]
    if broken or not scenarios:
        raise connecting.NotContentError(f"failed: {', '.join(broken)}\n{told[-1500:]}")
    tasks = sum(name.startswith("tasks-") for _, name, _, _ in scenarios)
    passed = sum(int(number) for _, _, number, _ in scenarios)
    return f"{len(scenarios)} scenarios, {tasks} of them of tasks; {passed} checks passed, 0 failed"


def run_or_output(words: list[str], folder: Path) -> str:
    """The output also of a command that failed: the suite tells there what did."""
    try:
        return npm.run(words, folder, timeout=600)
    except subprocess.CalledProcessError as error:
        return str(error.output)


def inspector_load(folder: Path, address: str) -> str:
    words = [npm.program(folder, "mcp-inspector"), "--cli", "--server-url", address, "--transport", "http",
             "--method", "tools/call", "--tool-name", "list_runs", "--load", "--load-requests", "200",
             "--load-concurrency", "8", "-q", "--format", "json"]  # fmt: skip
    told = json.loads(npm.run(words, folder))["result"]
    if told["errors"] or told["toolErrors"]:
        raise connecting.NotContentError(str(told))
    return f"{told['requests']} calls, 0 errors, {told['throughput']:.0f}/s"


def as_published(folder: Path) -> Path:
    """A copy of the repository as a person gets it, since some validators write into what they judge."""
    copy = folder / "trainwell"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


def plugin(folder: Path, copy: Path) -> str:
    """Claude Code's validator, and an installation from the marketplace file."""
    claude = npm.program(folder, "claude")
    npm.run([claude, "plugin", "validate", "--strict", str(copy)], folder)
    npm.run([claude, "plugin", "marketplace", "add", str(copy)], folder)
    npm.run([claude, "plugin", "install", "trainwell@trainwell"], folder)
    told = npm.run([claude, "plugin", "details", "trainwell@trainwell"], folder)
    return re.search(r"Skills \(\d+\)", told)[0] + ", " + re.search(r"Always-on:\s+(~\d+ tok)", told)[1] + " always on"


def bundle(folder: Path, copy: Path) -> str:
    mcpb = npm.program(folder, "mcpb")
    npm.run([mcpb, "validate", str(copy / "manifest.json")], folder)
    told = npm.run([mcpb, "pack", str(copy), str(folder / "trainwell.mcpb")], folder)
    return f"validated and packed, {re.search(r'package size: *(.+)', told)[1]}"


def agent_skills() -> str:
    skills = sorted(path.parent for path in ROOT.glob("skills/*/SKILL.md"))
    for skill in skills:
        subprocess.run(
            [Path(sys.executable).parent / "agentskills", "validate", skill], check=True, capture_output=True, text=True
        )
    return f"{len(skills)} skills valid: {', '.join(skill.name for skill in skills)}"


def from_npm(table: Table, folder: Path) -> None:
    """Every check that needs a program from npm."""
    try:
        npm.install(folder, *PACKAGES)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        table.leave_out(f"all from npm: {', '.join(PACKAGES)}", "npm cannot get it here")
        return
    (folder / "fixtures").mkdir()
    with fixture_server(folder / "fixtures") as address:
        for revision in REVISIONS:
            table.check(f"conformance suite, {revision}", lambda revision=revision: suite(folder, address, revision))
        table.check("Inspector, 200 calls from 8 at once", lambda: inspector_load(folder, address))
    for era in ("legacy", "modern"):
        table.check(f"Inspector, strict, {era} era", lambda era=era: connecting.inspector_is_content(folder, era))
    table.check("Inspector, app info", lambda: connecting.inspector_finds_the_page(folder))
    table.check("Inspector, skills with digests", lambda: connecting.inspector_verifies_skills(folder))
    copy = as_published(folder)
    table.check("Claude Code, mcp list", lambda: connecting.claude_code_connects(folder))
    table.check("Claude Code, plugin (strict), installed", lambda: plugin(folder, copy))
    table.check(
        "Gemini CLI, extension",
        lambda: npm.run([npm.program(folder, "gemini"), "extensions", "validate", str(copy)], folder),
    )
    table.check("Gemini CLI, mcp list", lambda: connecting.gemini_connects(folder))
    table.check("Codex, mcp list", lambda: connecting.codex_takes_it(folder))
    table.check("MCPB bundle", lambda: bundle(folder, copy))


def main(arguments: list[str] | None = None) -> int:
    """Run all checks; 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-load", action="store_true", help="without the readers, whose times a busy machine makes")
    asked = parser.parse_args(arguments)
    table = Table()
    with tempfile.TemporaryDirectory(prefix="trainwell-conformance-") as name:
        folder = Path(name)
        for part in ("workspace", "loaded"):
            (folder / part).mkdir()
        table.check("agentskills validate", agent_skills)
        table.check("wheel built and installed", lambda: wheel.install(folder) or "the clients below start this one")
        from_npm(table, folder)
        if scanning.SCANNER.is_file():
            table.check("scanner (Cisco's, YARA rules)", lambda: scanning.scanned(folder))
        else:
            table.leave_out("scanner", "pip could not get it here")
        if not asked.no_load:
            under_load(folder / "loaded", lambda tool, told, well: table.row(f"50 clients, {tool}", told, well=well))
    npm.say("all well" if not table.failed else f"{table.failed} failed")
    return int(table.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
