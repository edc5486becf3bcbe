"""The command line: the tools without MCP, the server, and what an installation needs.

Each branch imports its own side only, so that `call` never loads mcp, and nothing here loads torch.
"""

# ruff: noqa: PLC0415  (imports stand in the branch that needs them; see above)

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwell import __version__
from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainwell.store.workspace import Permission
    from trainwell.tools.dispatch import Outcome
    from trainwell.tools.services import Services

OK, ERROR, USAGE = 0, 1, 2
FAILED, STOPPED, DIVERGED, STALLED = 3, 4, 5, 6
INTERRUPTED = 130
HTTP_PORT = 8017
WAIT_SECONDS = 5.0  # of one look; between looks the queue is moved on
WAIT_CODES = f"""exit codes: {OK} completed, {FAILED} failed, {STOPPED} stopped, {DIVERGED} diverged (the loss was not \
finite), {STALLED} stalled (its worker says nothing any more), {ERROR} error"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = parsed(sys.argv[1:] if words is None else words)
    branch: Callable[[argparse.Namespace], int] = options.branch
    try:
        return branch(options)
    except TrainwellError as error:
        from trainwell.tools.dispatch import refused

        print(refused(error).text, file=sys.stderr)
        return USAGE if error.code in {"bad_json", "bad_manifest"} else ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # somebody closed our output, as `head` does
        sys.stderr.close()
        return ERROR


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The words of a command line. Without a command it is a client that starts us, unless a person sits there."""
    parser = _parser()
    options = parser.parse_args(words)
    if "branch" in options:
        return options
    if sys.stdin is not None and sys.stdin.isatty():
        parser.error("a command is needed; `trainwell --help` lists them")
    return parser.parse_args([*words, "serve"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trainwell", description="Trains, evaluates, diagnoses and saves networks.")
    parser.add_argument("--version", action="version", version=f"trainwell {__version__}")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="where data is read and state is kept")
    parser.add_argument("--skill", type=Path, metavar="PATH", help="a manifest whose limits and defaults replace ours")
    parser.add_argument(
        "--allow-read", type=Path, metavar="DIR", action="append", default=[], help="a further folder to read from"
    )
    _add_permissions(parser, default=False)
    told = "runs at once (default: one for each GPU, one on a CPU)"
    parser.add_argument("--max-parallel", type=int, metavar="N", help=told)
    quota = "size of .trainwell beyond which no new run is taken; nothing is deleted unasked"
    parser.add_argument("--disk-quota", type=float, metavar="GB", help=quota)
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(name: str, branch: Callable[[argparse.Namespace], int], told: str, **more: Any) -> Any:
        added = commands.add_parser(name, help=told, description=told, **more)
        added.set_defaults(branch=branch)
        return added

    serve = command("serve", _serve, "serve MCP over standard input and output, or over HTTP")
    serve.add_argument("--max-parallel", type=int, metavar="N", default=argparse.SUPPRESS, help=told)
    serve.add_argument("--disk-quota", type=float, metavar="GB", default=argparse.SUPPRESS, help=quota)
    serve.add_argument("--http", action="store_true", help="over HTTP; without tokens to this machine only")
    serve.add_argument(
        "--host", default="127.0.0.1", help="with --http: where to listen; beyond this machine it takes tokens"
    )
    serve.add_argument("--port", type=int, default=HTTP_PORT, help="with --http; 0 is any that is free")
    _add_permissions(serve, default=argparse.SUPPRESS)  # a flag that is missing here leaves what stands before `serve`
    _add_terms(serve)
    _add_token(
        command("token", _token, "who may come in over HTTP: make, list, revoke; each has a workspace of its own")
    )
    dashboard = command("dashboard", _dashboard, "show the runs in a browser, live; ends with Ctrl-C, the runs go on")
    dashboard.add_argument("--port", type=int, default=0, help="default: any that is free")
    dashboard.add_argument("--no-browser", action="store_true", help="tell the address only")
    call = command("call", _call, "call a tool; exit code 0 or 1")
    call.add_argument("--json", action="store_true", help="print the structured answer alone")
    call.add_argument("tool")
    call.add_argument("arguments", nargs="?", default="{}", help="a JSON object, @FILE, or - for standard input")
    tools = command("tools", _tools, "list the tools")
    tools.add_argument("--json", action="store_true", help="as tools/list has them, with their schemas")
    wait = command("wait", _wait, "sleep until a run has ended", epilog=WAIT_CODES)
    wait.add_argument("run", help="its handle, a unique prefix, or latest")
    doctor = command("doctor", _doctor, "say what this machine can do and what is wrong; exit code 0 or 1")
    doctor.add_argument("--repair", action="store_true", help="mend what can be mended, and say what was done")
    schemas = command("schemas", _schemas, "write schemas/ of this checkout")
    schemas.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is out of date")
    command("demo", _demo, "the main job on two data sets, through the real server")
    return parser


def _add_token(token: argparse.ArgumentParser) -> None:
    token.add_argument("action", choices=("make", "list", "revoke"))
    token.add_argument("name", nargs="?", help="whose it is")
    token.add_argument("--folder", help="with make: its workspace, a folder of this one (default: its name)")


def _add_terms(serve: argparse.ArgumentParser) -> None:
    """On what terms others come in over HTTP."""
    told = "with --http: a name (HOST or HOST:PORT) by which clients beyond this machine call it; a proxy's, usually"
    serve.add_argument("--allow-host", metavar="NAME", action="append", default=[], help=told)
    serve.add_argument(
        "--oauth-issuer", metavar="URL", help="with --http: take the access tokens of this OAuth server, too"
    )
    serve.add_argument("--oauth-audience", metavar="URL", help="the address of this server as those tokens name it")
    serve.add_argument("--rate", type=float, default=50.0, help="with --http: requests a second of one token")
    serve.add_argument(
        "--most-runs", type=int, metavar="N", help="with --http: waiting and running at once, of one token"
    )


def _add_permissions(parser: argparse.ArgumentParser, *, default: Any) -> None:
    told = "run modules of a person's own Python files, in workers only"
    parser.add_argument("--allow-code", action="store_true", default=default, help=told)
    told = "download data sets and pretrained networks from the Hugging Face hub"
    parser.add_argument("--allow-hub", action="store_true", default=default, help=told)


def _open(options: argparse.Namespace, level: str = "WARNING") -> Services:
    from trainwell.contract.log import log_to_stderr
    from trainwell.tools.services import open_services

    log_to_stderr(level)
    allowed: list[Permission] = [*(["code"] if options.allow_code else []), *(["hub"] if options.allow_hub else [])]
    readable = tuple(options.allow_read)
    return open_services(options.workspace, options.skill, readable, allowed, options.max_parallel, options.disk_quota)


def _serve(options: argparse.Namespace) -> int:
    import anyio

    from trainwell.contract.log import log_to_stderr
    from trainwell.protocol.server import serve

    services = _open(options, "INFO")
    log_to_stderr(services.manifest.log_level)
    services = replace(services, client=f"server {os.getpid()}")
    if options.http:
        from trainwell.protocol.http import Terms, serve_http

        terms = Terms(
            allow_host=tuple(options.allow_host), issuer=options.oauth_issuer, audience=options.oauth_audience,
            requests_a_second=options.rate, most_runs=options.most_runs,
        )  # fmt: skip
        anyio.run(serve_http, services, options.host, options.port, terms)
    else:
        anyio.run(serve, services)
    return OK


def _dashboard(options: argparse.Namespace) -> int:
    import webbrowser

    import anyio

    from trainwell.protocol.http import Terms, serve_http

    show = None if options.no_browser else webbrowser.open
    services = replace(_open(options), client=f"server {os.getpid()}")
    anyio.run(serve_http, services, "127.0.0.1", options.port, Terms(needs_token=False), show)
    return OK


def _token(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from trainwell.store.tokens import Tokens

    tokens = Tokens(_open(options).workspace.state / "tokens.json")
    if options.action == "list":
        for token in tokens.all():
            made = datetime.fromtimestamp(token.made_at, UTC)
            print(f"{token.name}  folder {token.folder}  made {made:%Y-%m-%d %H:%M} UTC")
        return OK
    if options.name is None:
        raise TrainwellError(
            "missing_name",
            f"token {options.action} needs the name of whose token it is.",
            argument="name",
            hint=f"As in `trainwell token {options.action} ada`; `trainwell token list` shows those that there are.",
        )
    if options.action == "revoke":
        print(f"The token {tokens.revoke(options.name).name} is revoked; its workspace stays as it is.")
        return OK
    print(tokens.make(options.name, options.folder))
    print("This is shown once. Clients send it as `Authorization: Bearer TOKEN`.", file=sys.stderr)
    return OK


def _call(options: argparse.Namespace) -> int:
    import anyio

    from trainwell.tools.dispatch import call_tool

    try:
        arguments = _read_json(options.arguments)
    except (ValueError, OSError, RecursionError) as error:
        raise TrainwellError(
            "bad_json", f"The arguments are not JSON: {str(error)[:200]}.", argument="arguments",
            allowed="a JSON object, @FILE with one, or - for standard input",
            hint=f"As in `trainwell call {options.tool} '{{}}'`; `trainwell tools` lists what each takes.",
        ) from error  # fmt: skip
    _speak_utf8()
    outcome = anyio.run(call_tool, _open(options), options.tool, arguments)
    if options.json:
        print(json.dumps(outcome.structured, ensure_ascii=False))
    else:
        _show(outcome)
    return ERROR if outcome.is_error else OK


def _show(outcome: Outcome) -> None:
    print(outcome.text, file=sys.stderr if outcome.is_error else sys.stdout)
    if outcome.picture is not None:
        print(f"Picture: {outcome.picture}")


def _read_json(text: str) -> Any:
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    return json.loads(text, object_pairs_hook=_once_each)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        message = "a key stands twice in one object"
        raise ValueError(message)
    return fields


def _speak_utf8() -> None:
    """Whatever the locale says: answers hold text from data."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _tools(options: argparse.Namespace) -> int:
    from trainwell.contract.log import log_to_stderr
    from trainwell.contract.manifest import load_manifest
    from trainwell.tools.registry import listings

    log_to_stderr("WARNING")
    listed = listings(load_manifest(options.skill))
    if options.json:
        print(json.dumps(listed, ensure_ascii=False, separators=(",", ":")))
        return OK
    for tool in listed:
        required = tool["inputSchema"].get("required", [])
        names = [name if name in required else f"[{name}]" for name in tool["inputSchema"]["properties"]]
        print(f"{tool['name']}  {' '.join(names)}\n    {tool['description']}")
    return OK


def _wait(options: argparse.Namespace) -> int:
    import anyio

    _speak_utf8()
    services = _open(options)
    outcome, code = anyio.run(_until_ended, services, options.run)
    _show(outcome)
    return code


async def _until_ended(services: Services, run: str) -> tuple[Outcome, int]:
    """Look at a run until it has ended or stalled; the last look and the exit code."""
    from trainwell.runs.lifecycle import FINAL
    from trainwell.runs.view import is_stalled
    from trainwell.tools.dispatch import call_tool

    while True:
        outcome = await call_tool(services, "get_run", {"run": run, "wait_seconds": WAIT_SECONDS})
        if outcome.is_error:
            return outcome, ERROR
        run = outcome.structured["run"]  # so that `latest` stays the run that it was
        row = services.store.runs.get(run)
        if row["state"] in FINAL:
            return outcome, _exit_code(row["state"], row["cause"])
        if is_stalled(row):
            return outcome, STALLED


def _exit_code(state: str, cause: str | None) -> int:
    if state == "failed":
        return DIVERGED if cause == "non_finite_loss" else FAILED
    return OK if state == "completed" else STOPPED


def _doctor(options: argparse.Namespace) -> int:
    from trainwell.contract.log import log_to_stderr
    from trainwell.doctor import examine

    log_to_stderr("ERROR")
    broken = False
    for check in examine(options.workspace, options.skill, tuple(options.allow_read), repair=options.repair):
        print(check.line, flush=True)
        broken = broken or check.state == "FAIL"
    print("Something is broken; see FAIL above." if broken else "Nothing is broken.")
    return ERROR if broken else OK


def _schemas(options: argparse.Namespace) -> int:
    from trainwell.tools.schema_files import differing, write

    if not options.check:
        for path in write():
            print(path)
        return OK
    different = differing()
    for path in different:
        print(f"{path} is out of date; run `trainwell schemas`", file=sys.stderr)
    return ERROR if different else OK


def _demo(options: argparse.Namespace) -> int:
    from trainwell.demo import main as demo

    return demo(options.workspace or Path("demo"))
