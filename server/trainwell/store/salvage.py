"""A damaged store: set aside, never thrown away, and what can still be read of it put into a new one."""

# apsw's stubs name types that they do not have.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import apsw

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.store.database import Database

#: Those that others refer to come first.
TABLES = ("data", "models", "runs", "attempts", "epochs", "signals", "facts", "findings", "checkpoints")


def is_damaged(path: Path) -> str | None:
    """What SQLite says is wrong with a store that is there, or None."""
    if not path.exists():
        return None
    try:
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(5000)
            found = next(iter(connection.execute("PRAGMA quick_check(1)")))[0]
        finally:
            connection.close()
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return str(error)
    except apsw.Error:
        return None  # locked or out of reach, which is not damage
    return None if found == "ok" else str(found).splitlines()[0]


def set_aside(path: Path) -> Path:
    """Give a store and its companions another name. Returns: the new name of the store."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for companion in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
    path.rename(aside)
    return aside


def copy_readable(aside: Path, database: Database) -> int:
    """Copy the rows of a damaged store that can be read, from both ends of each table towards the damage.

    Returns:
        How many rows there are now.
    """
    source = apsw.Connection(str(aside))
    copied = 0
    try:
        for table in TABLES:
            for order in ("ASC", "DESC"):
                with suppress(apsw.Error):
                    for row in _rows(source, table, order):
                        copied += _insert(database, table, row)
    finally:
        with suppress(apsw.Error):
            source.close()
    return copied


def _rows(source: apsw.Connection, table: str, order: str) -> Any:
    key = "rowid" if table in {"data", "models", "runs", "checkpoints"} else "1"
    cursor = source.execute(f"SELECT * FROM {table} ORDER BY {key} {order}")  # noqa: S608 - our own names
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _insert(database: Database, table: str, row: dict[str, Any]) -> int:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    try:
        return database.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", *row.values())  # noqa: S608
    except TrainwellError:  # garbage where a value was, or the run that it belongs to is lost
        return 0
