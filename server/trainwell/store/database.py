"""The database: one SQLite file in write-ahead mode, opened by every process that works on the workspace.

apsw carries a SQLite of its own: the standard library's may still have the bug that corrupts a
write-ahead log with two writing connections (fixed in 3.51.3).
"""

# apsw's stubs name types that they do not have.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw

from trainwell.contract.errors import TrainwellError
from trainwell.store.migrations import SCHEMA_VERSION, back_up, scripts_after

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

BUSY_SECONDS = 5.0

Row = dict[str, Any]


class Database:
    """A connection that hands out rows as dicts and writes in immediate transactions only.

    A deferred transaction that later writes fails at once when another process wrote in between,
    whatever the busy time-out says; an immediate one waits its turn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
            self._enter_wal()
            self._connection.execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")
            self._migrate()
        except apsw.Error as error:
            raise _as_trainwell_error(error, path) from error

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        try:
            cursor = self._connection.execute(sql, values)
            return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]
        except apsw.Error as error:
            raise _as_trainwell_error(error, self.path) from error

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def execute(self, sql: str, *values: Any) -> int:
        """Carry out one statement.

        Returns:
            How many rows it changed.
        """
        try:
            before = self._connection.total_changes()
            self._connection.execute(sql, values)
            return self._connection.total_changes() - before
        except apsw.Error as error:
            raise _as_trainwell_error(error, self.path) from error

    def insert(self, table: str, row: Row, *, replace: bool = False) -> None:
        """Insert a row; table and column names are ours, never a user's."""
        columns = ", ".join(row)
        marks = ", ".join("?" * len(row))
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        self.execute(f"{verb} INTO {table} ({columns}) VALUES ({marks})", *row.values())

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing, and nobody else writes meanwhile. Inside another one it is part of that."""
        if self._connection.in_transaction:
            yield
            return
        with self._alone():
            self._must_be_ours()
            yield

    @contextmanager
    def _alone(self) -> Generator[None]:
        """A transaction on a store of any version."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def close(self) -> None:
        """Close the connection; the log is folded into the file by whoever closes last."""
        self._connection.close()

    def _enter_wal(self) -> None:
        """Switch to write-ahead mode, which asks for the file alone: two processes that open at once take turns."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - jitter, not a secret
            else:
                return

    def _migrate(self) -> None:
        """Bring the store to our version, alone and all at once; an older one is copied first."""
        if self._version() == SCHEMA_VERSION:
            return
        with self._alone():
            version = self._version()  # another process may have been faster
            if version > SCHEMA_VERSION:
                raise TrainwellError(
                    "store_too_new",
                    f"The store was written by a newer trainwell (schema {version}, ours is {SCHEMA_VERSION}).",
                    hint="Upgrade trainwell, or take another folder: `trainwell --workspace DIR serve`.",
                )
            if 0 < version < SCHEMA_VERSION:
                self._back_up(version)
            for script in scripts_after(version):
                self._connection.execute(script)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _must_be_ours(self) -> None:
        """A newer program may have brought the store to its version while this one has it open."""
        if (version := self._version()) != SCHEMA_VERSION:
            raise TrainwellError(
                "store_too_new",
                f"A newer trainwell has taken the store over (schema {version}, ours is {SCHEMA_VERSION}).",
                hint="Start this server again with the newer trainwell; runs go on meanwhile.",
            )

    def _back_up(self, version: int) -> None:
        try:
            back_up(self.path, version)
        except OSError as error:
            raise TrainwellError(
                "store_not_copied",
                f"The store is of an older version and could not be copied before its upgrade: {error.strerror}.",
                hint="Nothing was changed. Free some space beside the store; `trainwell doctor` tries again.",
            ) from error

    def _version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0]["user_version"])


def _as_trainwell_error(error: apsw.Error, path: Path) -> TrainwellError:
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return TrainwellError(
            "store_busy", "Another process has held the store for too long.", hint="Call again in a few seconds."
        )
    if isinstance(error, apsw.FullError):
        return TrainwellError(
            "disk_full", "The disk of the workspace is full.", hint="Free some space, then call again."
        )
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return TrainwellError(
            "store_damaged",
            f"The store {path.name} is damaged: {error}.",
            hint="`trainwell doctor --repair` saves what can be read; the runs' folders are untouched.",
        )
    return TrainwellError(
        "store_failed", f"The store {path.name} cannot be used: {error}.", hint="`trainwell doctor` says what is wrong."
    )


def to_json(value: Any) -> str:
    """JSON for the store; NaN and infinity stay what they are."""
    return json.dumps(value, separators=(",", ":"))


def placeholders(values: Sequence[Any]) -> str:
    """`?, ?, ?` for an IN list."""
    return ", ".join("?" * len(values))
