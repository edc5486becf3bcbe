"""The preloaded process: torch imported, one optimizer built, no threads, no CUDA; it forks a child for each request.

Importing torch costs seconds, and the first optimizer as much again (it imports torch._dynamo). A child of
this process makes its first optimizer step within a few hundredths of a second. Nothing here may start a
thread, run an operation on tensors or open the store: a forked child could use none of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import torch
from loguru import logger

from trainwell.worker import requests, training_process

IDLE_SECONDS = float(os.environ.get("TRAINWELL_WARM_SECONDS", "60"))
_LARGEST_REQUEST = 64 * 2**20


def serve(path: str, tell: int) -> int:
    """Listen on a Unix socket until nobody has needed this process for IDLE_SECONDS.

    A request is one line of JSON: `{"kind": "hold"}` keeps this process alive while the connection is
    open; `train` is answered as soon as its detached worker runs; any other kind is short work, answered
    by the child itself. One byte goes to the file descriptor `tell`, which is closed, when somebody listens.
    """
    lock = Path(path).with_suffix(".lock").open("wb")  # held until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another one is there, or about to be
        _say_ready(tell)
        return 0
    Path(path).unlink(missing_ok=True)
    _warm_up()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    _say_ready(tell)
    try:
        _Server(listener, lock).run()
    finally:
        Path(path).unlink(missing_ok=True)
    return 0


def _say_ready(tell: int) -> None:
    with suppress(BrokenPipeError):  # whoever waited may be gone
        os.write(tell, b"1")
    os.close(tell)


def _warm_up() -> None:
    """Pull in what the first training step would import lazily."""
    parameter = torch.nn.Linear(9, 9)
    torch.optim.AdamW(parameter.parameters(), fused=True)


class _Server:
    def __init__(self, listener: socket.socket, lock: IO[bytes]) -> None:
        self._lock = lock
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._listener = listener
        self._received: dict[socket.socket, bytearray] = {}
        self._last_need = time.monotonic()

    def run(self) -> None:
        while self._received or time.monotonic() - self._last_need < IDLE_SECONDS:
            for key, _ in self._selector.select(timeout=1.0):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._received[connection] = bytearray()
                    self._selector.register(connection, selectors.EVENT_READ)
                else:
                    self._receive(key.fileobj)  # pyright: ignore[reportArgumentType] - only sockets are registered
            _reap()

    def _receive(self, connection: socket.socket) -> None:
        self._last_need = time.monotonic()
        buffer = self._received[connection]
        try:
            part = connection.recv(1 << 20)
        except OSError:
            part = b""
        buffer += part
        if not part or len(buffer) > _LARGEST_REQUEST:
            self._forget(connection)
        elif buffer.endswith(b"\n"):
            self._carry_out(connection, bytes(buffer))
            buffer.clear()

    def _carry_out(self, connection: socket.socket, line: bytes) -> None:
        try:
            request: dict[str, Any] = json.loads(line)
            kind = request["kind"]
        except (ValueError, KeyError, TypeError):
            self._forget(connection)
            return
        if kind == "hold":
            return
        try:
            pid = os.fork()
        except OSError as error:
            logger.error("cannot fork: {}", error)
            self._forget(connection)
            return
        if pid == 0:
            self._be_child(connection, request)
        if kind == "train":
            with suppress(OSError):  # a client that is gone must not end this process
                connection.sendall(json.dumps({"ok": True, "pid": pid}).encode() + b"\n")
        self._forget(connection)

    def _be_child(self, connection: socket.socket, request: dict[str, Any]) -> None:
        """The child's whole life; it never returns into the loop above."""
        code = 1
        try:
            self._lock.close()  # else a training child would hold the lock after this process has ended
            self._listener.close()
            self._selector.close()
            for other in self._received:
                if other is not connection:
                    other.close()
            os.setsid()
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            if request["kind"] == "train":
                connection.close()
                training_process.main(request)
            else:
                connection.sendall(json.dumps(requests.answer(request)).encode() + b"\n")
            code = 0
        except OSError as error:
            logger.warning("the answer could not be sent: {}", error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._received[connection]
        connection.close()


def _reap() -> None:
    """Take leave of ended children, so that they are not seen as living."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
