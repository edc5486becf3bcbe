"""The page that people look at: live at the server's address and in chat clients, or as a file with its runs inside.

It has no outside dependency and asks for nothing but the tools. Text reaches it as JSON and is only ever set as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

_GIVEN = '<script type="application/json" id="given">null</script>'


@cache
def live_page() -> str:
    """The page that asks a server for its runs."""
    page, style, script = (_part(name) for name in ("page.html", "page.css", "page.js"))
    return page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)


def report(runs: list[dict[str, Any]], environment: dict[str, Any]) -> str:
    """The page with the answers of `get_run` (detail full) inside: one file that needs nothing else.

    Args:
        runs: As the tool answers; no NaN in them.
        environment: Versions and the device, as they are shown.
    """
    given = json.dumps({"runs": runs, "environment": environment}, ensure_ascii=False, allow_nan=False)
    # "</script>" in a name would end the element; JSON allows the escape everywhere that "<" may stand.
    inside = _GIVEN.replace("null", given.replace("<", "\\u003c"))
    return live_page().replace(_GIVEN, inside)


@cache
def content_policy() -> str:
    """Content-Security-Policy of the live page: its own script and style, its own server, nothing else."""
    script = base64.b64encode(hashlib.sha256(_part("page.js").encode()).digest()).decode()
    style = base64.b64encode(hashlib.sha256(_part("page.css").encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
