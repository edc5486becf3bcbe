"""The front doors of trainwell, as the scenes use them: tools, commands, lines of Python. No process is started."""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from loguru import logger

from trainwell import cli
from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded
from trainwell.runs.queue import end_attempt, take_over
from trainwell.store.store import Store
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

TRUE_ASK = preloaded.ask  # within `workers_here` it is another
LONGEST_CALL = 200  # characters that are shown of what was asked
_OF_THIS_MACHINE = (
    (re.compile(r"at most [\d,]+ are allowed"), "at most MEMORY ALLOWS are allowed"),
    (re.compile(r"[\d.,]+ GB (are free|are usable|of disk are free)"), r"SOME GB \1"),
    # The tail of a handle follows from the version of the code, or is random.
    (re.compile(r"\b((?:data|model|run|ckpt)_[a-z0-9-]+_)(?!0000)[0-9a-f]{6}\b"), r"\1a1b2c3"),
    (re.compile(r"\b(port |--port |', )\d{5}\b", re.IGNORECASE), r"\g<1>8017"),
    (re.compile(r"-[0-9a-f]{6}(?=[-_])"), "-a1b2c3"),
    # What was measured here.
    (re.compile(r"\b[\d.]+ (?:KB|MB)\b"), "SOME MB"),
    (re.compile(r"\b[\d.]+ s\.$", re.MULTILINE), "SOME s."),
    (re.compile(r"at least \d{3,}"), "at least 600"),
    (re.compile(r'(budget_seconds": )[\d.]{3,}'), r"\g<1>720.0"),
    (re.compile(r"(val_accuracy )[\d.]+"), r"\g<1>0.9"),
    (re.compile(r"trainwell-\d+"), "trainwell-1000"),
    (re.compile(r"\b[0-9a-f]{16}\.log"), "SOCKET.log"),
    (re.compile(r"log has it under [0-9a-f]{8}"), "log has it under 0a1b2c3d"),
)


@dataclass(frozen=True)
class Refusal:
    """What was asked, at which door, and what is read then."""

    door: Literal["tool", "command", "program", "resource"]
    asked: str
    code: str
    text: str
    next_call: dict[str, Any] | None = None

    def shown(self, root: Path) -> str:
        """Its part of the page, with nothing of this machine in it."""
        asked = self.asked if len(self.asked) <= LONGEST_CALL else f"{self.asked[: LONGEST_CALL - 3]}..."
        part = f"## {self.code}\n\n`{asked}`\n\n```\n{self.text}\n```\n".replace(str(root), "WORKSPACE")
        for pattern, instead in _OF_THIS_MACHINE:
            part = pattern.sub(instead, part)
        return part


class Front:
    """A workspace, and its tools as agents call them; `more` is what a server is started with."""

    def __init__(self, root: Path, **more: Any) -> None:
        self.root = root
        self.services = open_services(root, **more)

    @property
    def store(self) -> Store:
        """Its store."""
        return self.services.store

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.database.close()

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A call that must succeed."""
        outcome = anyio.run(call_tool, self.services, tool, arguments)
        assert not outcome.is_error, outcome.text
        return outcome.structured

    def refuse(self, tool: str, **arguments: Any) -> Refusal:
        """A call that must be refused."""
        outcome = anyio.run(call_tool, self.services, tool, arguments)
        assert outcome.is_error, f"{tool} {arguments} was answered: {outcome.text}"
        error = outcome.structured["error"]
        asked = f"{tool} {json.dumps(arguments, ensure_ascii=True)}"
        return Refusal("tool", asked, error["code"], outcome.text, error.get("next_call"))

    def model(self, data: str, architecture: str = "mlp", **options: Any) -> str:
        """Build a small network."""
        return self.call("build_model", data=data, architecture=architecture, options=options)["model"]

    def train(self, data: str, model: str | None = None, **arguments: Any) -> str:
        """Train to the end, an epoch where nothing else is said."""
        model = model or self.model(data, hidden_dims=[4])
        given = {"epochs": 1, "batch_size": 16, **arguments}
        return self.call("train", model=model, train_loader=data, **given)["run"]


def command(root: Path, words: list[str]) -> Refusal:
    """What a command prints on standard error when it is refused; it is run in this process."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.main(["--workspace", str(root), *words])
    finally:
        logger.remove()  # the command line's log goes to the stream that is gone
        logger.add(sys.stderr, level="WARNING")
    assert code, f"{words} came to an end: {out.getvalue()}"
    text = err.getvalue().strip()
    return Refusal("command", f"trainwell {' '.join(map(_word, words))}", text.split(":")[0], text)


def _word(word: str) -> str:
    return f"'{word}'" if re.search(r"[\s{}]", word) else word


def program(line: str, names: dict[str, Any]) -> Refusal:
    """What a Python program sees of a line that raises."""
    try:
        eval(line, names)  # noqa: S307 - the scene's own line, so that what is shown is what was done
    except TrainwellError as error:
        return Refusal("program", line, error.code, str(error), error.next_call)
    raise AssertionError(f"{line} was done")


async def ask_here(workspace: Any, work: str, arguments: Any, *, seconds: float = 0.0, sees: Any = None) -> Any:
    """What a worker does and how its refusal comes back, without the worker."""
    from trainwell.worker.requests import unexpected
    from trainwell.worker.short import WORK

    try:
        with workspace.at_work():
            return json.loads(json.dumps(WORK[work](workspace, arguments), default=str))
    except TrainwellError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - as at the border of the process
        failure = unexpected(error, workspace)
    raise TrainwellError.from_json(json.loads(json.dumps(failure.to_json(), default=str)))


def train_here(workspace: Any, run: str, attempt: int) -> None:
    """What a training's worker does, without the worker."""
    from trainwell.worker import training_process
    from trainwell.worker.failures import cause_of, facts_of, told

    store = Store.open(workspace)
    take_over(store, run, attempt)
    try:
        with workspace.at_work(), warnings.catch_warnings(action="ignore"):  # a worker's do not end it
            training_process.carry_out(workspace, store, run, attempt)
    except Exception as error:  # noqa: BLE001 - as at the border of the process
        end_attempt(store, run, attempt, cause_of(error), told(error), facts_of(error))
    finally:
        store.database.close()


@contextmanager
def workers_here() -> Generator[None]:
    """Within it nothing is forked: what workers do is done in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preloaded, "ask", ask_here)
        patch.setattr(preloaded, "launch_training", train_here)
        patch.setattr("trainwell.worker.training_process.log_from", lambda _level: None)
        yield


@contextmanager
def fault(place: str, instead: Any) -> Generator[None]:
    """Within it something of the machine or of a library fails: the attribute at `place` is another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, instead)
        yield


def refusals_of(front: Front, calls: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Refusal]:
    """The refusals of some calls."""
    return (front.refuse(tool, **arguments) for tool, arguments in calls)
