"""Tells clients that a run changed: those of today over a stream that they open, older ones by notification."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger
from mcp import MCPError
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp.types import INVALID_REQUEST, EmptyResult
from starlette.requests import Request

from trainwell.contract.errors import TrainwellError
from trainwell.protocol import resources

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from mcp.server.context import ServerRequestContext
    from mcp.server.session import ServerSession
    from mcp.types import (
        SubscribeRequestParams,
        SubscriptionsListenRequestParams,
        SubscriptionsListenResult,
        UnsubscribeRequestParams,
    )

    from trainwell.tools.services import Services

    Context = ServerRequestContext[Any, Any]

LOOK_SECONDS = 0.5
MOST_STREAMS = 256
MOST_SUBSCRIBED = 1000  # addresses, over all clients of the older kind


class Changes:
    """Looks at the runs that somebody subscribed to, and says when one is not as it was.

    A worker knows nothing of clients: it writes to the store, and here the store is looked at twice a second, by
    one narrow row for each run that is watched. What changes is state, epoch, attempt and best epoch.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS)
        self._streams = 0
        self._streamed: Counter[str] = Counter()  # addresses that the open streams asked for
        self._subscribed: dict[tuple[str, str], ServerSession] = {}  # by session and address
        self._runs: dict[str, str] = {}  # address -> run
        self._marks: dict[str, Any] = {}  # run -> what it was when it was told of last
        self._listed: Any = None  # which runs there were when the list was told of last

    async def listen(self, context: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Keep a stream of changes open (2026-07-28)."""
        with self._watching(params.notifications.resource_subscriptions or ()):
            return await self._listen(context, params)

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Tell this client of changes at an address from now on (2025-11-25 and before)."""
        if len(self._subscribed) >= MOST_SUBSCRIBED:
            raise MCPError(INVALID_REQUEST, f"More than {MOST_SUBSCRIBED} subscriptions; give some up first.")
        address = str(params.uri)
        self._watch(address)
        self._subscribed[_session(context), address] = context.session
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Do not tell it any more."""
        self._subscribed.pop((_session(context), str(params.uri)), None)
        self._forget()
        return EmptyResult()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except TrainwellError as error:
                logger.warning("changes cannot be looked for: {}", error)
            await anyio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Tell of every run that is not as it was at the last look, and of new and deleted ones."""
        if not self._streams and not self._subscribed:
            return
        changed = {run for run in set(self._runs.values()) if self._mark(run) != self._marks.get(run)}
        for run in changed:
            self._marks[run] = self._mark(run)
        for address in [address for address, run in self._runs.items() if run in changed]:
            await self._tell(address)
        listed = self._services.store.runs.newest_and_count()
        if listed != self._listed:
            self._listed = listed
            await self._bus.publish(ResourcesListChanged())

    def close(self) -> None:
        """End all streams in good order."""
        self._listen.close()

    @contextmanager
    def _watching(self, addresses: Iterable[str]) -> Generator[None]:
        asked = list(addresses)
        for address in asked:
            self._watch(address)
        if not self._streams:
            self._listed = self._services.store.runs.newest_and_count()
        self._streams += 1
        self._streamed.update(asked)
        try:
            yield
        finally:
            self._streams -= 1
            self._streamed.subtract(asked)
            self._streamed += Counter()  # drops what is at nought
            self._forget()

    def _watch(self, address: str) -> None:
        """Look at what lies there from now on. Only runs change; anything else is never told of."""
        if not address.startswith(resources.SCHEME):
            return
        template, handle = resources.find(self._services, address)
        if template.kind == "run":
            self._runs[address] = handle
            self._marks.setdefault(handle, self._mark(handle))

    def _forget(self) -> None:
        """Stop looking at what nobody is subscribed to."""
        asked = {*self._streamed, *(address for _, address in self._subscribed)}
        self._runs = {address: run for address, run in self._runs.items() if address in asked}
        self._marks = {run: mark for run, mark in self._marks.items() if run in self._runs.values()}

    def _mark(self, run: str) -> Any:
        return self._services.store.runs.mark(run)

    async def _tell(self, address: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=address))
        for key, session in list(self._subscribed.items()):
            if key[1] != address:
                continue
            try:
                await session.send_resource_updated(address)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                self._subscribed.pop(key, None)


def _session(context: Context) -> str:
    """Whose subscription it is: over a pipe there is one client only."""
    request = context.request
    return request.headers.get("mcp-session-id", "") if isinstance(request, Request) else ""
