"""What can be read by address: `trainwell://runs/{run}` and its parts, models, data, checkpoints."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from trainwell.contract.errors import TrainwellError, call_line, next_call
from trainwell.contract.text import finite, plain, quoted
from trainwell.store.handles import TABLES
from trainwell.tools.dispatch import call_tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trainwell.tools.services import Services

    Reader = Callable[[Services, str], Awaitable[Any]]

SCHEME = "trainwell://"
JSON, TEXT, PNG = "application/json", "text/plain", "image/png"
LONGEST_ADDRESS = 500
MOST_LISTED = 50
MOST_CLASSES = 200
#: The end of a log says how a run went; the whole of it lies in the workspace.
LOG_BYTES = 200_000


@dataclass(frozen=True)
class Template:
    """One kind of address. `collection` and `part` are its first and last word; between them stands a handle.

    `read` gives text or JSON for a handle that exists, and bytes where `mime` is a picture's.
    """

    collection: str
    kind: str
    part: str
    title: str
    mime: str
    read: Reader

    @property
    def variable(self) -> str:
        """What the handle is called in the address: the argument that tools call it by."""
        return "checkpoint" if self.kind == "ckpt" else self.kind

    @property
    def address(self) -> str:
        """The address with a gap for the handle."""
        return self.of(f"{{{self.variable}}}")

    def of(self, handle: str) -> str:
        """The address of one thing."""
        return f"{SCHEME}{self.collection}/{handle}" + (f"/{self.part}" if self.part else "")


async def _run(services: Services, run: str) -> Any:
    return await _answer(services, run)


async def _config(services: Services, run: str) -> Any:
    row, spec = services.store.runs.get(run), services.store.runs.spec(run)
    given = {"run": run, "model": row["model"], "data": row["data"], "arguments": row["arguments"]}
    return {**given, "config": spec.config.model_dump(), "retry": spec.retry.model_dump(), "plan": row["plan"]}


async def _metrics(services: Services, run: str) -> Any:
    """Every recorded epoch, a list for each number that was measured."""
    epochs = [vars(one) for one in services.store.history.epochs(run)]
    measured = [
        name for name in (epochs[0] if epochs else {}) if any(one[name] not in (None, [], {}) for one in epochs)
    ]
    return {"run": run, "epochs": len(epochs), "history": {name: [one[name] for one in epochs] for name in measured}}


async def _log(services: Services, run: str) -> Any:
    path = anyio.Path(services.workspace.run_dir(run) / "log.txt")
    try:
        written = await path.read_bytes()
    except FileNotFoundError:
        return ""
    return written[-LOG_BYTES:].decode(errors="replace")


async def _curves(services: Services, run: str) -> Any:
    picture = (await _answer(services, run, plot=True)).get("picture")
    if picture is None:
        raise TrainwellError(
            "nothing_to_draw", "No epoch has been finished yet, so there is no curve.", argument="run", got=run,
            hint="Wait until its first epoch has ended.", next_call=next_call("get_run", run=run, wait_seconds=20),
        )  # fmt: skip
    return await anyio.Path(services.workspace.root / picture).read_bytes()


async def _model(services: Services, model: str) -> Any:
    return services.store.artifacts.model(model).model_dump()


async def _data(services: Services, data: str) -> Any:
    """What was prepared, without the tables that encode it."""
    known = services.store.artifacts.data(data).model_dump(exclude={"encoding"})
    classes = [plain(name) for name in known["classes"][:MOST_CLASSES]]
    return {**known, "classes": classes, "class_counts": known["class_counts"][:MOST_CLASSES]}


async def _checkpoint(services: Services, checkpoint: str) -> Any:
    """Its card; the model and the data have addresses of their own."""
    row = services.store.artifacts.checkpoint(checkpoint)
    card = {name: value for name, value in row["card"].items() if name not in ("model", "data", "run")}
    made_of = {name: row["card"][name]["handle"] for name in ("model", "data")}
    return {"checkpoint": checkpoint, "path": row["path"], "run": row["run"], **made_of, **card}


TEMPLATES = (
    Template("runs", "run", "", "A run: state, progress, best, findings", JSON, _run),
    Template("runs", "run", "config", "A run's arguments, settings and plan", JSON, _config),
    Template("runs", "run", "metrics", "A run's numbers, epoch by epoch", JSON, _metrics),
    Template("runs", "run", "log", "A run's log", TEXT, _log),
    Template("runs", "run", "curves", "A run's learning curves as a picture", PNG, _curves),
    Template("models", "model", "", "A model: architecture, options, layers, size", JSON, _model),
    Template("data", "data", "", "Prepared data: shapes, classes, splits, baseline, warnings", JSON, _data),
    Template("checkpoints", "ckpt", "", "A saved checkpoint: what it holds and where it lies", JSON, _checkpoint),
)


def templates() -> list[ResourceTemplate]:
    """Every kind of address, as resources/templates/list has it."""
    return [
        ResourceTemplate(
            uri_template=one.address, mime_type=one.mime, title=one.title,
            name="-".join(word for word in (one.variable, one.part) if word),
        )
        for one in TEMPLATES
    ]  # fmt: skip


def newest_runs(services: Services) -> list[Resource]:
    """The newest runs, as resources/list has them; `list_runs` tells of all."""
    rows = services.store.runs.page({}, by_score=False, limit=MOST_LISTED, offset=0)
    return [
        Resource(uri=TEMPLATES[0].of(row["handle"]), name=row["handle"], title=f"{row['name']}, {row['state']}",
                 mime_type=JSON)
        for row in rows
    ]  # fmt: skip


def find(services: Services, address: str) -> tuple[Template, str]:
    """What an address means: its template, and the handle of a thing that exists.

    Raises:
        MCPError: There is no such address, or nothing lies there.
    """
    words = address.removeprefix(SCHEME).split("/")
    collection, handle, *rest = words if len(words) > 1 else ("", "")
    known = {(one.collection, one.part): one for one in TEMPLATES}
    template = known.get((collection, rest[0] if rest else ""))
    if not address.startswith(SCHEME) or template is None or len(rest) > 1 or len(address) > LONGEST_ADDRESS:
        forms = ", ".join(one.address for one in TEMPLATES)
        raise not_found(address, f"There is no resource {quoted(address, 200)}. Known: {forms}.")
    try:
        return template, services.find(template.kind, handle, template.variable)
    except TrainwellError as error:
        raise told(address, error) from error


async def read(services: Services, address: str) -> ReadResourceResult:
    """What lies at an address.

    Raises:
        MCPError: Nothing does.
    """
    template, handle = find(services, address)
    try:
        content = await template.read(services, handle)
    except KeyError as error:  # deleted meanwhile
        raise not_found(address, f"There is no {handle} any more.") from error
    except TrainwellError as error:
        raise told(address, error) from error
    if isinstance(content, bytes):
        blob = base64.b64encode(content).decode()
        return ReadResourceResult(contents=[BlobResourceContents(uri=address, mime_type=template.mime, blob=blob)])
    text = content if isinstance(content, str) else json.dumps(finite(content), ensure_ascii=False)
    return ReadResourceResult(contents=[TextResourceContents(uri=address, mime_type=template.mime, text=text)])


def not_found(address: str, message: str) -> MCPError:
    """The error for an address with nothing behind it; the caller raises it."""
    return MCPError(INVALID_PARAMS, message, {"uri": address[:LONGEST_ADDRESS]})


def told(address: str, error: TrainwellError) -> MCPError:
    """Our own error, as the protocol has it."""
    message = "\n".join(part for part in (str(error), call_line(error.next_call)) if part)
    return MCPError(INVALID_PARAMS, message, {"uri": address[:LONGEST_ADDRESS], **error.to_json()})


async def _answer(services: Services, run: str, **arguments: Any) -> dict[str, Any]:
    """What `get_run` answers, so that a run is told in one way only."""
    outcome = await call_tool(services, "get_run", {"run": run, **arguments})
    if outcome.is_error:
        raise TrainwellError.from_json(outcome.structured["error"])
    return outcome.structured


assert {one.kind for one in TEMPLATES} == set(TABLES)  # noqa: S101 - whatever has handles has addresses
