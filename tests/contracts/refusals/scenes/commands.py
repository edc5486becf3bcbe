"""Commands that are refused: what stands on standard error."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from tests.contracts.refusals.front import command, fault
from trainwell.store.tokens import Tokens
from trainwell.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contracts.refusals.front import Refusal

LIST = ["call", "list_runs"]


def refusals(root: Path) -> Iterator[Refusal]:
    """Tokens, servers, starts, and stores that cannot be opened."""
    yield command(root, ["call", "list_runs", "{limit: 2}"])
    yield from _of_tokens(root)
    yield from _of_servers(root)
    yield from _of_starts(root)
    yield from _of_stores(root)


def _of_tokens(root: Path) -> Iterator[Refusal]:
    yield command(root, ["token", "make"])
    yield command(root, ["token", "make", "Ada Lovelace"])
    yield command(root, ["token", "revoke", "ada"])
    Tokens(Workspace.open(root).state / "tokens.json").make("grace")
    yield command(root, ["token", "make", "grace"])
    Tokens(Workspace.open(root).state / "tokens.json").revoke("grace")
    yield command(root, ["token", "make", "ada", "--folder", "../elsewhere"])


def _of_servers(root: Path) -> Iterator[Refusal]:
    yield command(root, ["serve", "--http", "--port", "0", "--host", "0.0.0.0"])  # noqa: S104 - that is what is refused
    yield command(root, ["serve", "--http", "--port", "0", "--oauth-issuer", "http://example.org"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield command(root, ["serve", "--http", "--port", str(taken.getsockname()[1])])


def _of_starts(root: Path) -> Iterator[Refusal]:
    yield command(root, ["--max-parallel", "0", *LIST])
    (root / "SKILL.md").write_text("---\nname: ours\nparameters: [1]\n---\n")
    yield command(root, ["--skill", str(root / "SKILL.md"), *LIST])
    (root / "file").write_text("")
    yield command(root / "file", LIST)
    with fault("trainwell.tools.schema_files.sys.executable", "/bin/false"):
        yield command(root, ["schemas", "--check"])


def _of_stores(root: Path) -> Iterator[Refusal]:
    for name, harm in (("newer", _newer), ("damaged", _damaged), ("folder", _folder), ("older", _older)):
        workspace = Workspace.open(root / name)
        harm(workspace.database)
        if name == "older":
            with fault("trainwell.store.database.back_up", _full):
                yield command(root / name, LIST)
        else:
            yield command(root / name, LIST)


def _newer(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _damaged(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 100)


def _folder(path: Path) -> None:
    path.mkdir()


def _older(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute((Path(__file__).parents[3] / "store" / "golden" / "schema_v1.sql").read_text())
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
