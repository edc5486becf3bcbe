"""Tokens of a shared server: who may come in over HTTP, and to which folder. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted
from trainwell.store.atomic import place, write_synced
from trainwell.store.handles import slug

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PREFIX = "tw_"
_BYTES = 32
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,39}$")


@dataclass(frozen=True)
class Token:
    """One token. `folder` is its workspace, below the server's; `made_at` is in Unix seconds."""

    name: str
    folder: str
    sha256: str
    made_at: float


class Tokens:
    """The file of tokens. It is read again whenever it has changed, so that a revoked one ends at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, Token] = {}

    def all(self) -> list[Token]:
        """Every token, oldest first."""
        self._refresh()
        return sorted(self._known.values(), key=lambda token: token.made_at)

    def make(self, name: str, folder: str | None = None) -> str:
        """Make a token and give its text, which is shown once and kept nowhere.

        Args:
            name: Whose it is.
            folder: The workspace it opens, relative to the server's; its name when None.

        Raises:
            TrainwellError: `bad_token_name`, `token_exists`, `path_outside_workspace`.
        """
        if not _NAME.match(name):
            raise TrainwellError(
                "bad_token_name", f"{quoted(name, 80)} is no name of a token: that is one small word.",
                argument="name", got=name, allowed="a-z, 0-9, _ and -, at most 40",
                hint=f"As in `trainwell token make {slug(name)}`.",
            )  # fmt: skip
        if any(token.name == name for token in self.all()):
            raise TrainwellError("token_exists", f"There is a token {name} already.", argument="name", got=name,
                                 hint=f"`trainwell token revoke {name}` ends it; then make it anew.")  # fmt: skip
        below = folder if folder is not None else name
        root = self._path.parent.parent
        if not (root / below).resolve().is_relative_to(root):
            raise TrainwellError(
                "path_outside_workspace", f"A token's folder lies in the server's workspace; {quoted(below, 80)} leads "
                "out of it.", argument="--folder", got=below, allowed="a relative path",
                hint=f"`trainwell token make {name}` gives it a folder of its own name.",
            )  # fmt: skip
        text = PREFIX + secrets.token_urlsafe(_BYTES)
        self._write([*self.all(), Token(name, below, hashed(text), time.time())])
        return text

    def revoke(self, name: str) -> Token:
        """Take a token back.

        Raises:
            TrainwellError: `unknown_token`.
        """
        left = [token for token in self.all() if token.name != name]
        gone = [token for token in self.all() if token.name == name]
        if not gone:
            names = [token.name for token in self.all()]
            hint = " ".join(filter(None, [did_you_mean(name, names), "`trainwell token list` shows all."]))
            raise TrainwellError("unknown_token", f"There is no token {quoted(name, 80)}.", argument="name", got=name,
                                 allowed=names or None, hint=hint)  # fmt: skip
        self._write(left)
        return gone[0]

    def find(self, text: str) -> Token | None:
        """Whose token this is. What is looked up is its hash, so the time that takes tells nothing of it."""
        self._refresh()
        return self._known.get(hashed(text))

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._known = None, {}
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            listed = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {one["sha256"]: Token(**one) for one in listed}
            self._stamp = stamp

    def _write(self, tokens: Iterable[Token]) -> None:
        """In one piece, readable by its owner only."""
        content = json.dumps([asdict(token) for token in tokens], indent=1).encode()

        def write(part: Path) -> None:
            part.touch(0o600)
            write_synced(part, content)

        place(self._path, write)


def hashed(text: str) -> str:
    """SHA-256 of a token. A token is 256 random bits: nothing slower is needed."""
    return hashlib.sha256(text.encode()).hexdigest()
