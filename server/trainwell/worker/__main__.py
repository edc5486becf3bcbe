"""Entry of worker processes: `preloaded SOCKET` forks workers on request, `once` does one from standard input.

Both leave the process tree of whoever started them: clients end a server together with its children, and a run
must not be among those.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from trainwell.worker.limits import lift_limit


def main() -> int:
    """Run as the arguments say."""
    lift_limit()
    if sys.argv[1:2] == ["preloaded"]:
        return _preloaded(sys.argv[2])
    if sys.argv[1:] == ["once"]:
        return _once(json.load(sys.stdin))
    if sys.argv[1:] == ["move-on"]:
        return _move_on(json.load(sys.stdin))
    sys.stderr.write("usage: python -m trainwell.worker preloaded SOCKET | once | move-on\n")
    return 2


def _preloaded(path: str) -> int:
    """Fork the process that serves, and end with 0 as soon as it listens, with 1 if it died before."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(ready, 1) else 1
    os.close(ready)
    os.setsid()
    from trainwell.worker.preloaded import serve  # noqa: PLC0415 - imports torch

    return serve(path, tell)


def _once(request: dict[str, Any]) -> int:
    if request["kind"] == "train":
        if hasattr(os, "fork") and os.fork():
            return 0
        _say_who_carries(request)
    from trainwell.worker.requests import answer  # noqa: PLC0415 - imports torch

    reply = answer(request)
    sys.stdout.write(json.dumps(reply) + "\n")
    return 0


def _say_who_carries(request: dict[str, Any]) -> None:
    """Take the attempt over before torch is imported: should that fail or be killed, others see it at once."""
    from trainwell.runs.queue import take_over  # noqa: PLC0415 - only this branch needs it
    from trainwell.store.store import Store  # noqa: PLC0415
    from trainwell.store.workspace import Workspace  # noqa: PLC0415

    store = Store.open(Workspace.of_request(request))
    take_over(store, request["arguments"]["run"], int(request["arguments"]["attempt"]))
    store.database.close()


def _move_on(request: dict[str, Any]) -> int:
    """Take the place of a worker that could not start the next run itself."""
    from trainwell.store.store import Store  # noqa: PLC0415 - only this branch needs it
    from trainwell.store.workspace import Workspace  # noqa: PLC0415
    from trainwell.worker.training_process import move_on  # noqa: PLC0415 - imports torch

    workspace = Workspace.of_request(request)
    move_on(workspace, Store.open(workspace))
    return 0


if __name__ == "__main__":
    sys.exit(main())
