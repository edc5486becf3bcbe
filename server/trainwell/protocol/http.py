"""The same server over HTTP: many clients of this machine at one address.

Loopback only: there are no tokens yet, and whoever reaches the port may do what the tools do. The names that a request
may give as its host and origin are said explicitly, so that a web page cannot reach it by rebinding a name.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from loguru import logger
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from trainwell.contract.errors import TrainwellError
from trainwell.protocol.server import build_server, supervise_soon
from trainwell.reports.page import content_policy, live_page

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from trainwell.tools.services import Services

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATH = "/mcp"
LARGEST_BODY = 4 * 2**20  # bytes
MOST_SESSIONS = 1000
SESSION_IDLE_SECONDS = 1800.0
# An open connection without a request, and what is left to answers when the server is told to leave.
IDLE_SECONDS, LEAVE_SECONDS = 30, 3


async def serve_http(
    services: Services, host: str, port: int, when_listening: Callable[[str], object] | None = None
) -> None:
    """Serve over HTTP until a signal comes. Runs live in processes of their own and go on.

    Args:
        services: What the tools are given.
        host: A name of this machine to itself.
        port: 0 is any that is free; the address is told on standard error.
        when_listening: Called with the address of the page, once it can be opened.

    Raises:
        TrainwellError: `host_not_allowed`, or `port_not_free`.
    """
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        build_app(build_server(services), port), log_config=None, access_log=False, lifespan="on", server_header=False,
        timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=LEAVE_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    page = url(host, port, "/")
    sys.stderr.write(f"trainwell listens at {url(host, port)}; runs are shown at {page}\n")
    sys.stderr.flush()
    if when_listening is not None:
        when_listening(page)
    async with anyio.create_task_group() as group:
        group.start_soon(_leave_on_signal, server)
        group.start_soon(supervise_soon, services)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


def build_app(server: Server[Any], port: int) -> Starlette:
    """The application that answers at a port of this machine."""
    names = [f"{_bracketed(host)}:{port}" for host in LOOPBACK]
    return server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_BODY,
        max_sessions=MOST_SESSIONS,
        session_idle_timeout=SESSION_IDLE_SECONDS,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=names,
            allowed_origins=[f"http://{name}" for name in names],
        ),
        custom_starlette_routes=[Route("/", _page), Route("/healthz", _health)],
    )


def url(host: str, port: int, path: str = PATH) -> str:
    """What a client is given; with the path "/" what a person is."""
    return f"http://{_bracketed(host)}:{port}{path}"


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


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again when it has ended, and the exit code would be theirs."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _leave_on_signal(server: uvicorn.Server) -> None:
    """Take no more requests, give those at hand a moment, and end; a second signal does not wait for them."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            logger.info("leaving on {}", signal.Signals(number).name)
            server.force_exit = server.should_exit
            server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    if host not in LOOPBACK:
        raise TrainwellError(
            "host_not_allowed",
            "The server speaks HTTP to this machine only: it has no tokens yet, and others could use all tools.",
            argument="--host",
            got=host,
            allowed=list(LOOPBACK),
            hint="From elsewhere, forward a port: ssh -L 8017:127.0.0.1:8017 HOST.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise TrainwellError(
            "port_not_free", f"This port cannot be listened at: {error}.", argument="--port", got=port,
            hint="Name another port; 0 is any that is free.",
        ) from error  # fmt: skip


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
