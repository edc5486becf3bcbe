"""Answers lines that are not JSON-RPC; the SDK drops them, and the sender would wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from trainwell.contract.text import plain

if TYPE_CHECKING:
    import contextvars
    from types import TracebackType

    from mcp.shared._stream_protocols import ReadStream, WriteStream

LONGEST_REASON = 200
LONGEST_ID = 200


class AnsweringStream:
    """The server's incoming messages, with an error sent back for each that could not be read."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage]) -> None:
        self._inner = inner
        self._write = write

    @property
    def last_context(self) -> contextvars.Context | None:
        """The context that the last message was sent in."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message that could be read."""
        while isinstance(item := await self._inner.receive(), Exception):
            error = complaint(item)
            if error is not None:
                await self._write.send(SessionMessage(error))
        return item

    async def aclose(self) -> None:
        """Close the stream that this one reads."""
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        await self.aclose()


def complaint(problem: Exception) -> JSONRPCError | None:
    """The JSON-RPC error for a line that could not be read; None when nobody waits for one."""
    if not isinstance(problem, ValidationError):
        return None
    details = problem.errors(include_url=False, include_context=False)
    first = details[0]
    if first["type"] == "json_invalid":
        if not str(first["input"]).strip():
            return None
        return _error(None, PARSE_ERROR, plain(first["msg"], LONGEST_REASON))
    whole = next((detail["input"] for detail in details if _is_message(detail["input"])), None)
    if whole is None:
        return _error(None, INVALID_REQUEST, "A message must be a JSON-RPC object.")
    if "method" not in whole:  # an answer to a question of ours; an answer to an answer would help nobody
        return None
    return _error(whole.get("id"), INVALID_REQUEST, "Not a valid JSON-RPC request.")


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "jsonrpc" in cast("dict[str, Any]", value)


def _error(identity: Any, code: int, message: str) -> JSONRPCError:
    is_text = isinstance(identity, str) and len(identity) <= LONGEST_ID
    is_number = isinstance(identity, int) and not isinstance(identity, bool)
    answered = identity if is_text or is_number else None
    return JSONRPCError(jsonrpc="2.0", id=answered, error=ErrorData(code=code, message=message))
