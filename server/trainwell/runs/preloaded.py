"""The preloaded process, as its clients see it: where it listens, how it is started, how it is asked.

It has torch imported and one optimizer built, has no threads and no CUDA context, and forks a child for
each piece of work. One serves all servers and shells of a user; it ends by itself when nobody needs it.
Where processes cannot be forked safely, work is done by fresh processes instead, a few seconds slower.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import RunVar
from loguru import logger

from trainwell.contract.errors import TrainwellError
from trainwell.runs import sharing

if TYPE_CHECKING:
    from trainwell.store.workspace import Workspace

#: What a worker may know of the environment: no tokens, no keys.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TZ", "SYSTEMROOT")
_KEPT_PREFIXES = ("LC_", "PYTHON", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH", "OMP_", "GOMP_", "MKL_", "KMP_",
                  "TRAINWELL_", "COVERAGE_", "XDG_")  # fmt: skip
#: What two processes may differ in and still share a preloaded one. The last is set by torch itself when it is
#: imported: a worker that moves the queue on must find the process that it was forked from.
_OF_NO_MATTER = {"TZ", "LANG", "TORCHINDUCTOR_CACHE_DIR"}
#: numpy's BLAS would start threads at import, and a process with threads is not safe to fork. OpenMP's idle threads
#: may spin a little, not long: beside a busy neighbour long spinning made steps 2.4 times slower, this 0.9 times.
_FIXED_VARIABLES = {"PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}
START_SECONDS = 120.0
START_AGAIN_SECONDS = 60.0
SHORT_WORK_SECONDS = 300.0
#: Pieces of short work that one server has done at once. More would only slow each other down and fill the memory:
#: without a limit, fifty clients that read at once filled a machine of two cores with 170 processes.
MOST_AT_ONCE = 4 * (os.cpu_count() or 1)
_turns: RunVar[anyio.CapacityLimiter] = RunVar("turns of short work")
_started: list[subprocess.Popen[bytes]] = []


def can_fork() -> bool:
    """Whether work is done by forking the preloaded process. TRAINWELL_PRELOAD=0 turns it off."""
    return sys.platform == "linux" and os.environ.get("TRAINWELL_PRELOAD", "1") != "0"


def worker_environment() -> dict[str, str]:
    """The environment of every worker."""
    kept = {
        name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return {**_FIXED_VARIABLES, **kept}


@cache
def _runtime_folder() -> Path:
    """A folder of this user alone; socket names must be short, so it is not in the workspace."""
    base = Path(os.environ.get("TRAINWELL_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"trainwell-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise TrainwellError(
            "runtime_folder_unsafe",
            f"{folder} is not private to this user.",
            hint="Remove it, or set TRAINWELL_RUNTIME_DIR to a private folder.",
        )
    return folder


@cache
def socket_path() -> Path:
    """Where the preloaded process of this code, interpreter and environment listens."""
    package = Path(__file__).parent.parent
    newest = max(path.stat().st_mtime_ns for path in package.rglob("*.py"))
    environment = {name: value for name, value in worker_environment().items() if name not in _OF_NO_MATTER}
    key = json.dumps([sys.executable, str(package), newest, sorted(environment.items())])
    return _runtime_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.sock"


def start_preloaded() -> subprocess.Popen[bytes]:
    """Start the preloaded process, detached. What is returned ends with 0 as soon as one listens, else with 1."""
    path = socket_path()
    with path.with_suffix(".log").open("wb") as log:
        return _detached(["preloaded", str(path)], subprocess.DEVNULL, log)


def _detached(arguments: list[str], stdin: int, log: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start a worker that outlives this process."""
    command = [sys.executable, "-m", "trainwell.worker", *arguments]
    process = subprocess.Popen(
        command, stdin=stdin, stdout=log, stderr=log, env=worker_environment(), start_new_session=True
    )
    _take_leave()
    _started.append(process)
    return process


@atexit.register
def _take_leave() -> None:
    """Ask the started processes for their end, so that they are not left as zombies."""
    _started[:] = [one for one in _started if one.poll() is None]


def is_locked(path: Path) -> bool:
    """Whether a preloaded process holds this socket's lock, that is: one runs, or is about to listen."""
    try:
        with path.with_suffix(".lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def launch_training(workspace: Workspace, run: str, attempt: int) -> None:
    """Start the worker of an attempt in a detached process of its own; never waits for torch.

    Raises:
        OSError: No process could be started.
    """
    request = _request(workspace, "train", {"run": run, "attempt": attempt})
    if can_fork():
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5.0)
                connection.connect(str(socket_path()))
                connection.sendall(json.dumps(request).encode() + b"\n")
                if json.loads(connection.makefile("rb").readline()).get("ok"):
                    return
        except (OSError, ValueError) as error:
            logger.debug("no preloaded process to start {} from: {}", run, error)
    log = workspace.run_dir(run) / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        start_fresh("once", request, sink)


def start_fresh(word: str, request: dict[str, Any], log: IO[bytes] | int) -> int:
    """Start a worker process that is detached, forked from nobody, and told its request on standard input.

    Args:
        word: `once` or `move-on`, see `worker.__main__`.
        request: JSON.
        log: Where its output goes.

    Returns:
        Its process id.

    Raises:
        OSError: No process could be started.
    """
    process = _detached([word], subprocess.PIPE, log)
    if process.stdin:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
    return process.pid


async def hold() -> None:
    """Keep the preloaded process alive for as long as this task lives; start it again if it is lost."""
    while can_fork():
        pause = 1.0
        try:
            async with await _connect() as connection:
                await connection.send(b'{"kind": "hold"}\n')
                await connection.receive()
        except TrainwellError as error:
            logger.warning("{}", error)
            pause = START_AGAIN_SECONDS
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            logger.debug("the preloaded process is gone: {!r}", error)
        await anyio.sleep(pause)


async def ask(
    workspace: Workspace,
    work: str,
    arguments: dict[str, Any],
    *,
    seconds: float = SHORT_WORK_SECONDS,
    sees: str | None = None,
) -> dict[str, Any]:
    """Have a short piece of work done by a child of the preloaded process.

    Args:
        workspace: Where it is done.
        work: A name in `worker.short.WORK`.
        arguments: JSON.
        seconds: How long to wait, for a turn as well. Work that has begun goes on even if nobody waits any more.
        sees: For work that changes nothing: the state of what it reads. Equal work that sees the same is done once
            for all who ask while it goes on, or after they gave up on it.

    Returns:
        The work's answer.

    Raises:
        TrainwellError: What the work raised; `work_takes_long`; `worker_died`.
    """
    request = json.dumps(_request(workspace, work, arguments)).encode()
    done = partial(_in_turn, request)
    piece = sharing.Piece(done) if sees is None else sharing.join(request + sees.encode(), done)
    answer = b""
    with anyio.move_on_after(seconds) as scope:
        answer = await piece.answer()
    if scope.cancelled_caught:
        told = "it goes on" if piece.begun else "it had to wait for its turn"
        raise TrainwellError(
            "work_takes_long",
            f"This was not done within {seconds:.0f} s; {told}.",
            hint="Make the same call again in a while.",
        )
    if not answer.strip():
        raise TrainwellError(
            "worker_died",
            "The process that did this work ended without an answer, perhaps for want of memory.",
            hint="Call system_info for the memory that is free; smaller data or a smaller model may help.",
        )
    reply = json.loads(answer)
    if "error" in reply:
        raise TrainwellError.from_json(reply["error"])
    return reply["result"]


async def _in_turn(request: bytes, piece: sharing.Piece) -> bytes:
    async with _turn():
        piece.begun = True
        return await (_ask_preloaded(request) if can_fork() else _ask_fresh(request))


def _turn() -> anyio.CapacityLimiter:
    """The turns of this event loop."""
    try:
        return _turns.get()
    except LookupError:
        _turns.set(limiter := anyio.CapacityLimiter(MOST_AT_ONCE))
        return limiter


def _request(workspace: Workspace, work: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"kind": work, "arguments": arguments, **workspace.to_request()}


async def _connect() -> anyio.abc.SocketStream:
    """A connection to the preloaded process, which is started where it is missing."""
    path = socket_path()
    started: subprocess.Popen[bytes] | None = None
    with anyio.move_on_after(START_SECONDS):
        while started is None or not started.poll():
            try:
                return await anyio.connect_unix(str(path))
            except OSError:
                if not is_locked(path) and (started is None or started.poll() == 0):
                    started = start_preloaded()
            await anyio.sleep(0.05)
    raise TrainwellError(
        "workers_unavailable",
        "The worker processes do not start.",
        hint=f"See {path.with_suffix('.log')}, or run `trainwell doctor`.",
    )


async def _ask_preloaded(request: bytes) -> bytes:
    async with await _connect() as connection:
        await connection.send(request + b"\n")
        parts: list[bytes] = []
        try:
            while True:
                parts.append(await connection.receive(1 << 20))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        return b"".join(parts)


async def _ask_fresh(request: bytes) -> bytes:
    finished = await anyio.run_process(
        [sys.executable, "-m", "trainwell.worker", "once"], input=request, check=False, stderr=None,
        env=worker_environment(),
    )  # fmt: skip
    return finished.stdout
