"""The same server over HTTP: many clients at one address.

Without tokens it speaks to this machine only, and whoever reaches the port may do what the tools do. With tokens it
may listen anywhere, and each token has a workspace of its own; see `team`. The names that a request may give as its
host and origin are said explicitly, so that a web page cannot reach it by rebinding a name. TLS is a proxy's work.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from loguru import logger
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import ClientDisconnect

from trainwell.contract.errors import TrainwellError
from trainwell.protocol.issuer import LOOPBACK, Issuer
from trainwell.protocol.server import build_server
from trainwell.protocol.team import PATH, Gate
from trainwell.store.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette

    from trainwell.tools.services import Services

LARGEST_BODY = 4 * 2**20  # bytes
MOST_SESSIONS = 1000  # of one workspace
SESSION_IDLE_SECONDS = 1800.0
# An open connection without a request, and what is left to answers when the server is told to leave.
IDLE_SECONDS, LEAVE_SECONDS = 30, 3


@dataclass(frozen=True)
class Terms:
    """On what terms others come in.

    `allow_host` names the server as clients beyond this machine do (HOST or HOST:PORT); `issuer` and `audience` are
    of an OAuth server whose access tokens are taken; `requests_a_second` and `most_runs` are of one token. Without
    `needs_token` nobody is asked for one, and only this machine is listened to.
    """

    needs_token: bool = True

    allow_host: tuple[str, ...] = ()
    issuer: str | None = None
    audience: str | None = None
    requests_a_second: float = 50.0
    most_runs: int | None = None


async def serve_http(
    services: Services,
    host: str,
    port: int,
    terms: Terms | None = None,
    when_listening: Callable[[str], object] | None = None,
) -> None:
    """Serve over HTTP until a signal comes. Runs live in processes of their own and go on.

    Args:
        services: What the tools are given.
        host: Where to listen: a name of this machine to itself, or any address where there are tokens.
        port: 0 is any that is free; the address is told on standard error.
        terms: On what terms others come in.
        when_listening: Called with the address of the page, once it can be opened.

    Raises:
        TrainwellError: `host_not_allowed`, `bad_issuer`, or `port_not_free`.
    """
    terms = terms or Terms()
    gate, listener = _gate(services, host, port, terms)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        gate.app(), log_config=None, access_log=False, lifespan="on", server_header=False,
        timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=LEAVE_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    logging.getLogger("mcp.server.streamable_http").addFilter(_Vanished())
    page = url(host, port, "/")
    sys.stderr.write(f"trainwell listens at {url(host, port)}\nruns are shown at {page}\n")
    sys.stderr.flush()
    if when_listening is not None:
        when_listening(page)
    async with anyio.create_task_group() as group:
        group.start_soon(_leave_on_signal, server)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


def _gate(services: Services, host: str, port: int, terms: Terms) -> tuple[Gate, socket.socket]:
    """The gate over a workspace, and the socket it will listen at."""
    tokens = Tokens(services.workspace.state / "tokens.json") if terms.needs_token else None
    issuer = Issuer(terms.issuer, terms.audience or url(host, port)) if terms.issuer else None
    listener = _listen(host, port, locked=issuer is not None or (tokens is not None and bool(tokens.all())))
    known = listener.getsockname()[1]
    gate = Gate(
        services, partial(services.guest, most_runs=terms.most_runs),
        lambda guest: build_app(build_server(guest), known, terms.allow_host), tokens, issuer, terms.requests_a_second,
    )  # fmt: skip
    return gate, listener


def build_app(server: Server[Any], port: int, allow_host: Sequence[str] = ()) -> Starlette:
    """The MCP application that answers at a port of this machine, and to names beyond it."""
    names = [f"{_bracketed(host)}:{port}" for host in LOOPBACK]
    beyond = [name if ":" in name else f"{name}:*" for name in allow_host] + list(allow_host)
    return server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_BODY,
        max_sessions=MOST_SESSIONS,
        session_idle_timeout=SESSION_IDLE_SECONDS,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[*names, *beyond],
            allowed_origins=[f"http://{name}" for name in names] + [f"https://{name}" for name in beyond],
        ),
    )


def url(host: str, port: int, path: str = PATH) -> str:
    """What a client is given; with the path "/" what a person is."""
    return f"http://{_bracketed(host)}:{port}{path}"


class _Vanished(logging.Filter):
    """A client that goes away before its request is read is no fault of ours: a line, not a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], ClientDisconnect):
            logger.info("a client went away before its request was read")
            return False
        return True


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


def _listen(host: str, port: int, *, locked: bool) -> socket.socket:
    if host not in LOOPBACK and not locked:
        raise TrainwellError(
            "host_not_allowed",
            "Without tokens the server speaks HTTP to this machine only: others could use all tools.",
            argument="--host",
            got=host,
            allowed=list(LOOPBACK),
            hint="Make a token first: `trainwell token make NAME`. Or forward a port: ssh -L 8017:127.0.0.1:8017 HOST.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise TrainwellError(
            "port_not_free", f"Port {port} cannot be listened at: {error}.", argument="--port", got=port,
            hint="`trainwell serve --http --port 0` takes any that is free, and says which.",
        ) from error  # fmt: skip


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
