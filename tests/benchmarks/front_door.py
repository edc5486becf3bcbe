"""The product as a user gets it, measured: `python -m tests.benchmarks.front_door [--rounds N] [--only NAME]`.

Everything is a ratio, or a time against a limit, with medians of interleaved rounds. Nothing here is a test: times
belong to a machine and an hour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
from loguru import logger
from mcp import Client, StdioServerParameters

from tests.benchmarks.works import WORKS
from trainwell.runs.lifecycle import FINAL
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import Services, open_services

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection

LAYERS = {
    "tab": [{"type": "Linear", "out_features": 64}, "ReLU", {"type": "Linear", "out_features": 64}, "ReLU"],
    "mnist": [{"type": "Linear", "out_features": 256}, "ReLU", {"type": "Linear", "out_features": 128}, "ReLU"],
}
BARE_SERVER = (
    "import anyio\n"
    "from mcp.server.lowlevel import Server\n"
    "from mcp.server.stdio import stdio_server\n"
    "import mcp.types as t\n"
    "async def tools(context, parameters): return t.ListToolsResult(tools=[])\n"
    "async def main():\n"
    "    server = Server('bare', on_list_tools=tools)\n"
    "    async with stdio_server() as (read, write):\n"
    "        await server.run(read, write, server.create_initialization_options())\n"
    "anyio.run(main)\n"
)


class Bench:
    """A workspace of its own, and calls into it."""

    def __init__(self, root: Path) -> None:
        self.services: Services = open_services(root)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as a client does."""
        outcome = anyio.run(call_tool, self.services, tool, arguments)
        if outcome.is_error:
            raise RuntimeError(outcome.text)
        return outcome.structured

    def finished(self, run: str) -> dict[str, Any]:
        """Wait for a run without disturbing it much, and give its row."""
        while (row := self.services.store.runs.get(run))["state"] not in FINAL:
            time.sleep(0.1)
        return row

    def arrays(self, name: str) -> dict[str, str]:
        """A model and data for a work, through the front door."""
        rows = WORKS[name].rows()
        x, y = rows.inputs[0].numpy(), rows.target.numpy()
        np.savez(self.services.workspace.root / f"{name}.npz", X=x, y=y)
        data = self.call(
            "prepare_data",
            source=f"{name}.npz",
            target="y",
            task="classification",
            validation_fraction=0.01,
            test_fraction=0.01,
        )["data"]
        return {"model": self.call("build_model", data=data, layers=LAYERS[name])["model"], "train_loader": data}

    def train_seconds(self, name: str, given: dict[str, str], **arguments: Any) -> float:
        """Seconds a step of a run, training part alone: steps and all telemetry."""
        work = WORKS[name]
        settings = {"epochs": work.epochs, "batch_size": work.batch_size, "early_stopping": 0, "precision": "fp32"}
        run = self.call("train", **{**settings, **given, **arguments})["run"]
        row = self.finished(run)
        return sum(one.train_seconds or 0.0 for one in self.services.store.history.epochs(run)) / row["step"]


def _hand_loops(connection: Connection, name: str, rows: int) -> None:
    """A process of its own in which the hand-written loops run, one thread, on request."""
    import torch

    from tests.benchmarks.loops import LOOPS

    torch.set_num_threads(1)
    work, every = WORKS[name], WORKS[name].rows()
    some = replace(every, inputs=(every.inputs[0][:rows],), target=every.target[:rows])
    epochs = work.epochs or 1
    steps = epochs * -(-rows // work.batch_size)
    while loop := connection.recv():
        connection.send(LOOPS[loop](work.network(), some, work, epochs) / steps)


def engine(
    bench: Bench, rounds: int, name: str, loops: tuple[str, ...] = ("bulk_fused", "seed", "lightning")
) -> list[str]:
    """The engine through `train`, in fp32 like the others and as it chooses, against hand-written loops."""
    given = bench.arrays(name)
    rows = bench.services.store.artifacts.data(given["train_loader"]).splits["train"]
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hand_loops, args=(theirs, name, rows))
    process.start()
    times: dict[str, list[float]] = {loop: [] for loop in ("train", "train auto", *loops)}
    for number in range(rounds + 1):
        for loop, taken in times.items():
            if loop.startswith("train"):
                chosen = {"precision": "auto"} if loop == "train auto" else {}
                seconds = bench.train_seconds(name, given, seed=number, **chosen)
            else:
                ours.send(loop)
                seconds = ours.recv()
            if number:
                taken.append(seconds)
    ours.send(None)
    process.join()
    lines = [f"{name}: {loop} {1e6 * median(times[loop]):.0f} us/step" for loop in times]
    limits = {"bulk_fused": 1.10, "seed": 1 / 2.5 if name == "tab" else 1 / 1.5, "lightning": 1.0}
    for ours_is, loop in product(("train", "train auto"), loops):
        value = median(a / b for a, b in zip(times[ours_is], times[loop], strict=True))
        verdict = _verdict(value <= limits[loop])
        lines.append(f"{name}: {ours_is} / {loop} = {value:.3f} (limit {limits[loop]:.2f}) {verdict}")
    return lines


def server_start(_bench: Bench, rounds: int) -> list[str]:
    """From the start of the process to the answer of server/discover, against a bare mcp server."""

    async def seconds(arguments: list[str]) -> float:
        began = time.perf_counter()
        async with Client(StdioServerParameters(command=sys.executable, args=arguments)):
            return time.perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        commands = {"trainwell": ["-m", "trainwell", "--workspace", folder, "serve"], "bare": ["-c", BARE_SERVER]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, arguments in commands.items():
                taken = anyio.run(seconds, arguments)
                if number:
                    times[name].append(taken)
    value = median(a / b for a, b in zip(times["trainwell"], times["bare"], strict=True))
    told = ", ".join(f"{name} {median(taken):.2f} s" for name, taken in times.items())
    return [f"server start to discover: {told}; ratio {value:.2f} (limit 1.50) {_verdict(value <= 1.5)}"]


def first_step(bench: Bench, rounds: int) -> list[str]:
    """From the call of `train`, and from its acceptance, to the first optimizer step; warm, and by a fresh process."""
    data = bench.call("prepare_data", source="digits")["data"]
    given = {"model": bench.call("build_model", data=data)["model"], "train_loader": data}
    called, accepted, fresh = [], [], []
    for number in range(rounds):
        began = time.time()
        row = bench.finished(bench.call("train", **given, epochs=1, seed=number)["run"])
        called.append(row["first_step_at"] - began)
        accepted.append(row["first_step_at"] - row["created_at"])
    with _environment("TRAINWELL_PRELOAD", "0"):
        for number in range(2):
            row = bench.finished(bench.call("train", **given, epochs=1, seed=100 + number)["run"])
            fresh.append(row["first_step_at"] - row["created_at"])
    value = median(accepted)
    return [
        f"train to first step: accepted {value:.3f} s (limit 0.3) {_verdict(value <= 0.3)}; "
        f"from the call, with its two timed steps, {median(called):.3f} s; fresh process {median(fresh):.2f} s"
    ]


def get_run_latency(bench: Bench, rounds: int) -> list[str]:
    """`get_run` over stdio while a run trains."""
    given = bench.arrays("mnist")

    async def measure() -> list[float]:
        quiet = f"exec {sys.executable} -m trainwell --workspace {bench.services.workspace.root} serve 2>{os.devnull}"
        async with Client(StdioServerParameters(command="sh", args=["-c", quiet])) as client:
            answer = await client.call_tool("train", {**given, "epochs": 1000, "early_stopping": 0})
            run = answer.structured_content["run"]
            await anyio.sleep(2)
            taken: list[float] = []
            for _ in range(rounds * 20):
                began = time.perf_counter()
                await client.call_tool("get_run", {"run": run})
                taken.append(time.perf_counter() - began)
                await anyio.sleep(0.02)
            await client.call_tool("stop_run", {"run": run, "wait_seconds": 20})
            return taken

    taken = sorted(anyio.run(measure))
    value = median(taken)
    worst = taken[int(len(taken) * 0.99) - 1]
    told = f"median {1e3 * value:.1f} ms (limit 50) {_verdict(value <= 0.05)}, p99 {1e3 * worst:.0f} ms"
    return [f"get_run during training: {told}"]


def _verdict(good: bool) -> str:
    return "ok" if good else "MISSED"


@contextmanager
def _environment(name: str, value: str) -> Generator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


SECTIONS = {
    "tab": lambda bench, rounds: engine(bench, rounds, "tab"),
    "mnist": lambda bench, rounds: engine(bench, rounds, "mnist"),
    "start": server_start,
    "first_step": first_step,
    "get_run": get_run_latency,
}


def main() -> int:
    """Print a line for each figure; 0 when every limit is kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(SECTIONS), action="append")
    arguments = parser.parse_args()
    logger.remove()
    missed = False
    for name in arguments.only or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            for line in SECTIONS[name](Bench(Path(folder)), arguments.rounds):
                missed = missed or "MISSED" in line
                print(line, flush=True)  # noqa: T201 - the table is what this is for
    print(json.dumps({"load": os.getloadavg()}))  # noqa: T201
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
