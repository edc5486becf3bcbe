"""A request to a worker process, answered: the one place where a worker's failures become JSON."""

from __future__ import annotations

from typing import Any

from loguru import logger

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import finite
from trainwell.store.workspace import Workspace
from trainwell.worker import training_process
from trainwell.worker.failures import cause_of, told
from trainwell.worker.limits import limit_memory
from trainwell.worker.short import WORK


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for.

    Returns:
        `{"result": ...}` or `{"error": ...}` with the fields of a TrainwellError.
    """
    if request["kind"] == "train":
        training_process.main(request)
        return {"result": {}}
    workspace = Workspace.of_request(request)
    logger.remove()
    logger.add(workspace.state / "logs" / "worker.log", rotation="5 MB", retention=2, diagnose=False, backtrace=False)
    limit_memory()
    try:
        with workspace.at_work():
            return {"result": finite(WORK[request["kind"]](workspace, request["arguments"]))}
    except TrainwellError as error:
        return {"error": error.to_json()}
    except Exception as error:  # noqa: BLE001 - the border of the process: everything becomes an answer
        logger.exception("{} failed", request["kind"])
        return {"error": unexpected(error, workspace).to_json()}


def unexpected(error: Exception, workspace: Workspace) -> TrainwellError:
    """What an agent is told of a failure that nobody anticipated."""
    cause = cause_of(error)
    if cause == "out_of_memory":
        return TrainwellError(
            "out_of_memory",
            "There is not enough memory for this.",
            hint="Use less data or a smaller model; system_info tells what is free.",
        )
    if cause == "disk_full":
        return TrainwellError("disk_full", told(error), hint="Make room in the workspace, then call again.")
    if cause == "io_error":
        return TrainwellError("io_error", told(error), hint="Call again; if it stays, look at the disk.")
    return TrainwellError(
        "internal_error",
        "trainwell failed here; this is a fault of ours.",
        hint=f"Details are in {workspace.shown(workspace.state / 'logs' / 'worker.log')}.",
    )
