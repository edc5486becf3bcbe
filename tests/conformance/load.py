"""Many HTTP clients read at once while a training runs: how long answers take, and that none is an error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client

from tests.conformance.serving import served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIENTS, CALLS = 50, 300
#: What each reading tool is asked; a new one is given its arguments here. `{run}` trains meanwhile, `{ended}` does not.
#: Equal questions at once are one piece of work, so those that measure the machine are asked like the others.
QUESTIONS: dict[str, dict[str, Any]] = {
    "inspect_data": {"source": "iris"},
    "get_run": {"run": "{run}"},
    "list_runs": {},
    "compare_runs": {"runs": ["{run}", "{ended}"]},
    "evaluate": {"run": "{ended}"},
    "explain": {"run": "{ended}"},
    "find_lr": {"model": "{model}", "train_loader": "{data}", "seconds": 5},
    "profile": {"model": "{model}", "train_loader": "{data}", "seconds": 1},
    "system_info": {},
}


async def told(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The fields of an answer; a machine that needs longer for the first work is asked again, as it says."""
    answer = await client.call_tool(tool, arguments)
    while answer.is_error and answer.structured_content["error"]["code"] == "work_takes_long":
        answer = await client.call_tool(tool, arguments)
    if answer.is_error:
        raise RuntimeError(answer.content[0].text)
    return answer.structured_content


async def prepared(client: Client) -> dict[str, str]:
    """A run that has ended, and one that goes on for as long as it is needed."""
    data = (await told(client, "prepare_data", source="digits"))["data"]
    model = (await told(client, "build_model", data=data, options={"hidden_dims": [64]}))["model"]
    ended = (await told(client, "train", model=model, train_loader=data, epochs=2, wait_seconds=25))["run"]
    while (await told(client, "get_run", run=ended, wait_seconds=25))["state"] != "completed":
        pass
    longest = {"epochs": 1000, "early_stopping": 0, "batch_size": 2}
    run = (await told(client, "train", model=model, train_loader=data, **longest))["run"]
    return {"data": data, "model": model, "ended": ended, "run": run}


async def ask_in_turn(
    address: str, tool: str, arguments: dict[str, Any], seconds: list[float], errors: list[str]
) -> None:
    """One client with its share of the calls."""
    async with Client(address) as client:
        for _ in range(CALLS // CLIENTS):
            began = time.monotonic()
            answer = await client.call_tool(tool, arguments)
            seconds.append(time.monotonic() - began)
            if answer.is_error:
                errors.append(answer.content[0].text)


def filled(value: Any, runs: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [filled(one, runs) for one in value]
    return value.format(**runs) if isinstance(value, str) else value


async def measure(address: str, tell: Callable[[str, str, bool], None]) -> None:
    """Tell of each tool that reads: its name, what was measured, and whether all was well."""
    async with Client(address) as client:
        runs = await prepared(client)
        reading = [tool.name for tool in (await client.list_tools()).tools if tool.annotations.read_only_hint]
        for tool in reading:
            if tool not in QUESTIONS:
                tell(tool, "has no question in tests/conformance/load.py", False)
                continue
            arguments = {name: filled(value, runs) for name, value in QUESTIONS[tool].items()}
            seconds: list[float] = []
            errors: list[str] = []
            began = time.monotonic()
            async with anyio.create_task_group() as group:
                for _ in range(CLIENTS):
                    group.start_soon(ask_in_turn, address, tool, arguments, seconds, errors)
            tell(tool, _figures(seconds, time.monotonic() - began, errors), not errors)
        state = (await told(client, "stop_run", run=runs["run"], wait_seconds=25))["state"]
        tell("the training", f"went on all the while, then {state}", state == "stopped")


def _figures(seconds: list[float], whole: float, errors: list[str]) -> str:
    ordered = sorted(seconds)
    at = {share: 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 1.0)}
    wrong = f", first error: {errors[0][:80]}" if errors else ""
    return (f"{len(seconds)} calls, {len(errors)} errors, {len(seconds) / whole:.0f}/s, "
            f"median {at[0.5]:.0f} ms, 95 % {at[0.95]:.0f} ms, longest {at[1.0]:.0f} ms{wrong}")  # fmt: skip


def under_load(workspace: Path, tell: Callable[[str, str, bool], None]) -> None:
    """Serve, ask, stop."""
    with served(workspace) as address:
        anyio.run(measure, address, tell)
