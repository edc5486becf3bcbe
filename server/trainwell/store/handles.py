"""Handles: kind, readable slug, short tail. A unique prefix is enough, with the kind or without it; `latest` too."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError, did_you_mean, next_call

if TYPE_CHECKING:
    from trainwell.store.database import Database

# The table that a handle's kind lives in, and the tool that makes one.
TABLES = {"data": "data", "model": "models", "run": "runs", "ckpt": "checkpoints"}
MAKERS = {
    "data": next_call("prepare_data", source="digits"),
    "model": next_call("build_model", data="latest"),
    "run": next_call("list_runs"),
    "ckpt": next_call("save_checkpoint", run="latest"),
}
_SHORTEST_PREFIX = 3
# What a kind is called in a sentence, where that is another word.
_CALLED = {"data": "prepared data", "ckpt": "checkpoint"}


def slug(text: str, longest: int = 24, otherwise: str = "x") -> str:
    """The readable part of a handle: lower case, hyphens, nothing else; `otherwise` where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-") or otherwise


def new_handle(kind: str, name: str) -> str:
    """A handle with a random tail."""
    return f"{kind}_{slug(name)}_{secrets.token_hex(3)}"


def content_handle(kind: str, name: str, content: str) -> str:
    """A handle whose tail follows from the content: the same thing made twice has one handle."""
    return f"{kind}_{slug(name)}_{hashlib.sha256(content.encode()).hexdigest()[:6]}"


def newest_handles(database: Database, kind: str) -> list[str]:
    """The newest handles of a kind, at most a thousand, newest first. A twin is found by its whole handle only."""
    shown = "WHERE twin_of IS NULL" if kind == "run" else ""
    sql = f"SELECT handle FROM {TABLES[kind]} {shown} ORDER BY created_at DESC, rowid DESC LIMIT 1000"  # noqa: S608
    return [row["handle"] for row in database.rows(sql)]


def find_handle(database: Database, kind: str, text: str, argument: str) -> str:
    """The one handle that `text` means.

    Raises:
        TrainwellError: `unknown_handle`, `ambiguous_handle`.
    """
    table = TABLES[kind]
    newest = newest_handles(database, kind)
    if text == "latest" and newest:
        return newest[0]
    if database.row(f"SELECT handle FROM {table} WHERE handle = ?", text):  # noqa: S608
        return text
    matches = [handle for handle in newest if len(text) >= _SHORTEST_PREFIX and handle.startswith(text)]
    tails = [handle for handle in newest if text and handle.rsplit("_", 1)[-1] == text]
    named = [handle for handle in newest if len(text) >= _SHORTEST_PREFIX and handle.startswith(f"{kind}_{text}")]
    found = matches or tails or named
    if len(found) == 1:
        return found[0]
    if found:
        raise TrainwellError(
            "ambiguous_handle", "Several handles begin like this.", argument=argument, got=text, allowed=found[:5]
        )
    called = _CALLED.get(kind, kind)
    raise TrainwellError(
        "unknown_handle",
        f"There is no {called} of this handle." if newest else f"There is no {called} yet.",
        argument=argument,
        got=text,
        allowed=newest[:3] or None,
        hint=did_you_mean(text, newest) or ("The newest are listed." if newest else None),
        next_call=None if newest and kind != "run" else MAKERS[kind],
    )
