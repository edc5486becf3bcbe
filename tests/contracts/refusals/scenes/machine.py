"""A machine on which something fails: the store, the disk, the workers, and trainwell itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from tests.contracts.refusals.front import TRUE_ASK, Front, Refusal, fault
from tests.factories import add_run
from trainwell.runs import preloaded

if TYPE_CHECKING:
    from collections.abc import Iterator


def refusals(root: Path) -> Iterator[Refusal]:
    """While a server is at work."""
    (root / "people.csv").write_text("x,y\n" + "".join(f"{n % 9},{n % 2}\n" for n in range(60)))
    with Front(root) as front:
        data = front.call("prepare_data", source="people.csv", target="y")["data"]
        yield from _of_workers(front, data)
        yield from _of_files(front, data)
        add_run(front.store)
        yield from _of_the_store(front, "run_toy_000001")


def _of_workers(front: Front, data: str) -> Iterator[Refusal]:
    for error in (ZeroDivisionError("division by zero"), MemoryError(), OSError(28, "No space left on device"),
                  OSError(5, "Input/output error")):  # fmt: skip
        with fault("trainwell.worker.short.check_model", _raising(error)):
            yield front.refuse("build_model", data=data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preloaded, "ask", TRUE_ASK)
        patch.setattr(preloaded, "START_SECONDS", 5.0)
        patch.setattr(preloaded.sys, "executable", "/bin/false")
        patch.setenv("TRAINWELL_RUNTIME_DIR", str(front.root / "private"))
        preloaded._runtime_folder.cache_clear()
        preloaded.socket_path.cache_clear()
        yield front.refuse("build_model", data=data)
        preloaded.socket_path.cache_clear()
        patch.setenv("TRAINWELL_RUNTIME_DIR", str(_shared(front.root)))
        preloaded._runtime_folder.cache_clear()
        yield front.refuse("build_model", data=data)
    preloaded.socket_path.cache_clear()
    preloaded._runtime_folder.cache_clear()


def _raising(error: Exception) -> Any:
    def fails(*_: object, **__: object) -> None:
        raise error

    return fails


def _shared(root: Path) -> Path:
    """A folder whose own folder for us is open to all."""
    import os

    ours = root / "runtime" / f"trainwell-{os.getuid()}"
    ours.mkdir(parents=True)
    ours.chmod(0o777)
    return root / "runtime"


def _of_files(front: Front, data: str) -> Iterator[Refusal]:
    with fault("os.access", lambda *_: False):
        yield front.refuse("inspect_data", source="people.csv")
    with fault("trainwell.data.cache._sync", _raising(OSError(13, "Permission denied"))):
        yield front.refuse("prepare_data", source="people.csv", target="y", seed=7)


def _of_the_store(front: Front, run: str) -> Iterator[Refusal]:
    path = front.services.workspace.database
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    front.store.database._connection.set_busy_timeout(50)
    yield front.refuse("prepare_data", source="people.csv", target="y", seed=8)
    holder.execute("ROLLBACK")
    holder.execute("PRAGMA user_version = 99")
    yield front.refuse("stop_run", run=run)
    holder.close()
