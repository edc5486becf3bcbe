"""One HTTP server for a team: whoever comes in has a workspace of their own, and sees nothing else.

Each workspace has its own MCP server and its own sessions, so there is no way from one to another: what stands here
only decides which of them a request reaches.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from trainwell.contract.errors import TrainwellError
from trainwell.protocol.server import supervise_soon
from trainwell.reports.page import content_policy, live_page
from trainwell.runs.lifecycle import STATES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from anyio.abc import TaskGroup, TaskStatus
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

    from trainwell.protocol.issuer import Issuer
    from trainwell.store.tokens import Tokens
    from trainwell.tools.services import Services

PATH = "/mcp"
METADATA = f"/.well-known/oauth-protected-resource{PATH}"
MOST_RATES = 10_000


@dataclass
class Rate:
    """A bucket of requests: it holds `most`, and `a_second` flow in."""

    most: float
    a_second: float
    left: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.seen = self.most, time.monotonic()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        now = time.monotonic()
        self.left = min(self.most, self.left + (now - self.seen) * self.a_second)
        self.seen = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Gate:
    """Takes a request to the workspace of whoever sends it.

    Args:
        home: The server's own workspace; without tokens and issuer everybody of this machine works in it.
        open_guest: Opens the services of a folder below it.
        build: Makes the MCP application over services.
        tokens: Who has a token; None asks for none.
        issuer: Whose access tokens are taken, too.
        requests_a_second: Of one guest, over a time; five times as many may come at once.
    """

    def __init__(
        self,
        home: Services,
        open_guest: Callable[[str], Services],
        build: Callable[[Services], Starlette],
        tokens: Tokens | None,
        issuer: Issuer | None,
        requests_a_second: float,
    ) -> None:
        self._home, self._open, self._build = home, open_guest, build
        self._tokens, self._issuer = tokens, issuer
        self._a_second = requests_a_second
        self._rates: dict[str, Rate] = {}
        self._apps: dict[str, tuple[Services, Starlette]] = {}
        self._opening = anyio.Lock()
        self._group: TaskGroup | None = None
        self._answered: Counter[str] = Counter()

    @property
    def locked(self) -> bool:
        """Whether a token is needed."""
        return self._issuer is not None or (self._tokens is not None and bool(self._tokens.all()))

    def app(self) -> Starlette:
        """The application: the page, health and figures, and the gate to the rest."""
        return Starlette(
            routes=[Route("/", _page), Route("/healthz", _health), Route("/metrics", self._figures),
                    Route(METADATA, self._metadata), Mount("/", app=self)],
            lifespan=self._living,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it: 401 without a good token, 429 when there are too many."""
        if scope["type"] != "http":
            return
        folder = await self._folder(Request(scope))
        if folder is None:
            await self._refused()(scope, receive, self._counted(send))
        elif not self._rate(folder).take():
            slow = PlainTextResponse("Too many requests.\n", 429, headers={"Retry-After": "1"})
            await slow(scope, receive, self._counted(send))
        else:
            _, app = await self._workspace(folder)
            await app({**scope, "app": app, "root_path": ""}, receive, self._counted(send))

    async def _folder(self, request: Request) -> str | None:
        """The folder of whoever asks ("" is home), or None for a stranger."""
        if not self.locked:
            return ""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            return None
        if self._tokens is not None and (token := self._tokens.find(text)):
            return token.folder
        return await self._issuer.folder_of(text) if self._issuer else None

    def _rate(self, folder: str) -> Rate:
        if len(self._rates) > MOST_RATES:
            self._rates.clear()
        return self._rates.setdefault(folder, Rate(5 * self._a_second, self._a_second))

    async def _workspace(self, folder: str) -> tuple[Services, Starlette]:
        """The workspace's application, opened at its first request and kept as long as the server lives."""
        async with self._opening:
            if folder not in self._apps:
                services = self._open(folder) if folder else self._home
                app = self._build(services)
                assert self._group is not None  # noqa: S101 - requests come after the start
                await self._group.start(self._live, app)
                self._group.start_soon(supervise_soon, services)
                self._apps[folder] = (services, app)
            return self._apps[folder]

    @staticmethod
    async def _live(app: Starlette, *, task_status: TaskStatus[None]) -> None:
        async with app.router.lifespan_context(app):
            task_status.started()
            await anyio.sleep_forever()

    @asynccontextmanager
    async def _living(self, _: Starlette) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as self._group:
            if not self.locked:
                await self._workspace("")
            yield
            self._group.cancel_scope.cancel()

    def _refused(self) -> Response:
        told = f' resource_metadata="{self._issuer.audience.removesuffix(PATH)}{METADATA}"' if self._issuer else ""
        headers = {"WWW-Authenticate": f'Bearer realm="trainwell"{"," if told else ""}{told}'}
        said = "This server wants a token: Authorization: Bearer TOKEN. Its owner makes one: trainwell token make NAME."
        return JSONResponse({"error": "invalid_token", "error_description": said}, 401, headers)

    async def _metadata(self, _: Request) -> Response:
        if self._issuer is None:
            return PlainTextResponse("No issuer.\n", 404)
        return JSONResponse({"resource": self._issuer.audience, "authorization_servers": [self._issuer.url],
                             "bearer_methods_supported": ["header"], "resource_name": "trainwell"})  # fmt: skip

    async def _figures(self, request: Request) -> Response:
        """Prometheus' text format, of the workspace of whoever asks."""
        folder = await self._folder(request)
        if folder is None:
            return self._refused()
        try:
            services, _ = await self._workspace(folder)
        except TrainwellError as error:
            logger.warning("no figures of {}: {}", folder, error.message)
            return PlainTextResponse("unavailable\n", 503)
        counts = [(state, services.store.queue.count(state)) for state in STATES]
        lines = [
            "# HELP trainwell_runs Runs by state.", "# TYPE trainwell_runs gauge",
            *(f'trainwell_runs{{state="{state}"}} {count}' for state, count in counts),
            "# HELP trainwell_http_responses_total Answers of this server to all, by status.",
            "# TYPE trainwell_http_responses_total counter",
            *(f'trainwell_http_responses_total{{status="{status}"}} {count}'
              for status, count in sorted(self._answered.items())),
        ]  # fmt: skip
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")

    def _counted(self, send: Send) -> Send:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered[str(message["status"])] += 1
            await send(message)

        return counting


async def _page(_: Request) -> Response:
    """The page of runs. It holds no data: it asks the tools, as every client does."""
    headers = {
        "Content-Security-Policy": content_policy(),
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(live_page(), headers=headers)


async def _health(_: Request) -> Response:
    """Alive and able to answer; says nothing else to whoever asks."""
    return PlainTextResponse("ok\n")
