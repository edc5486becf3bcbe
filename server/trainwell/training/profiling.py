"""Where the time of a training step goes, and what would make it shorter, measured on the network and rows themselves.

Times are the fastest of a few steps, taken in turns, so that a busy machine slows all alike. Each part stops when its
share of the seconds is spent.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from trainwell.training.batches import Batches, data_bytes
from trainwell.training.compiling import compiled
from trainwell.training.device import decide_compile, read_facts
from trainwell.training.plan import MEMORY_SHARE, fixed_bytes, saved_bytes
from trainwell.training.preparing import make_setup, work_of
from trainwell.training.step import Stepper
from trainwell.training.trial import opened, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from torch import Tensor

    from trainwell.store.workspace import Workspace
    from trainwell.training.device import Setup
    from trainwell.training.trial import Trial

Json = dict[str, Any]
Batch = tuple["Tensor", ...]

# Shares of the seconds that are given to precisions, parts and batch sizes; the compiler gets what is left.
PRECISIONS_SHARE, PARTS_SHARE, SIZES_SHARE = 0.25, 0.15, 0.35
# Timings of each thing at most; one is enough for what is this many times as slow as the best.
ROUNDS, HOPELESS = 15, 3.0
# Batches that are looked at, so that one with an odd length does not stand for all.
LOOKED_AT = 4
# Sizes around the batch that is taken, and the largest that is ever tried.
FACTORS, LARGEST = (0.25, 0.5, 1, 2, 4, 8), 65_536
PROBE_ROWS = 8
# A change must be faster by this ratio to be worth a word.
WORTH = 1.1


def profile(workspace: Workspace, arguments: Json) -> Json:
    """Short work: times of a run that was not started.

    Args:
        workspace: The workspace.
        arguments: `spec` (see `trial.opened`) and `seconds` to spend at most.

    Returns: JSON: `precisions` (milliseconds a step and how many times as fast as fp32, by name), `parts`
        (milliseconds of data, forward, backward, optimizer and rest), `batch_sizes` (rows, samples a second),
        `largest_batch` and how that was found, `compile`, `suggested` (precision and batch_size worth setting),
        `words`.
    """
    began, seconds = time.perf_counter(), arguments["seconds"]
    with opened(workspace, arguments["spec"]) as trial:
        batches = list(islice(trial.endless(), LOOKED_AT))
        precisions = _precisions(trial, batches, PRECISIONS_SHARE * seconds)
        parts = _parts(trial, batches, PARTS_SHARE * seconds)
        largest, how = _largest_batch(trial)
        sizes = _sizes(trial, largest, SIZES_SHARE * seconds)
        left = seconds - (time.perf_counter() - began)
        compiling = _compile(trial, batches[0], precisions[trial.setup.precision]["ms"], left)
        suggested, words = suggestion(trial.setup.precision, precisions, trial.batches.batch_size, sizes)
        return {
            "device": trial.setup.device.type,
            "batch_size": trial.batches.batch_size,
            "precision": trial.setup.precision,
            "precisions": precisions,
            "parts": parts,
            "batch_sizes": sizes,
            "largest_batch": {"rows": largest, "how": how},
            "compile": compiling,
            "suggested": suggested,
            "words": words,
        }


def suggestion(precision: str, precisions: Json, batch_size: int, sizes: list[Json]) -> tuple[Json, list[str]]:
    """What is worth setting, and why, in sentences.

    Args:
        precision: The one that a run takes by itself.
        precisions: Its `ms` by name.
        batch_size: The one that a run takes by itself.
        sizes: `rows` and `samples_per_second` of each size that was timed.
    """
    suggested: Json = {}
    words: list[str] = []
    fastest = min(precisions, key=lambda name: precisions[name]["ms"])
    times = precisions[precision]["ms"] / precisions[fastest]["ms"]
    if times >= WORTH:
        suggested["precision"] = fastest
        words.append(f"precision {fastest}: {times:.1f} times as fast as {precision} here")
    else:
        words.append(f"precision {precision}: nothing is faster here")
    speeds = {one["rows"]: one["samples_per_second"] for one in sizes}
    best = max(speeds, key=speeds.__getitem__)
    gain = speeds[best] / speeds[batch_size] if batch_size in speeds else 1.0
    if gain >= WORTH and best > batch_size:
        suggested["batch_size"] = best
        words.append(
            f"batch_size {best}: {gain:.1f} times the rows a second; fewer steps an epoch, so the lr is scaled"
        )
    elif gain >= WORTH:
        words.append(f"batch_size {best} passes {gain:.1f} times the rows a second, in more steps an epoch")
    else:
        words.append(f"batch_size {batch_size}: no other size passes many more rows a second")
    return suggested, words


def _precisions(trial: Trial, batches: list[Batch], seconds: float) -> dict[str, Json]:
    """Milliseconds a step in each precision that this device may take."""
    names = ["fp32", "bf16"] + (["fp16"] if trial.setup.device.type == "cuda" else [])
    steppers = {name: trial.stepper(_setup(trial, name)) for name in names}
    times = _interleaved({name: _stepping(stepper, batches) for name, stepper in steppers.items()}, seconds)
    return {
        name: {"ms": _ms(taken), "times_fp32": float(f"{times['fp32'] / taken:.3g}")} for name, taken in times.items()
    }


def _setup(trial: Trial, precision: str) -> Setup:
    config = trial.spec.config.model_copy(update={"precision": precision})
    return make_setup(trial.spec, config, trial.module, trial.train, trial.batches.batch_size)


def _stepping(stepper: Stepper, batches: list[Batch]) -> Callable[[], float]:
    """The mean time of a step over the batches."""
    return lambda: sum(seconds_of(stepper, batch) for batch in batches) / len(batches)


def _interleaved(tried: dict[str, Callable[[], float]], seconds: float) -> dict[str, float]:
    """The best time of each, taken in turns; the first round warms up and counts only where there is no other."""
    until = time.perf_counter() + seconds
    first = {name: time_it() for name, time_it in tried.items()}
    best = dict(first)
    for number in range(ROUNDS):
        for name, time_it in tried.items():
            if first[name] > HOPELESS * min(best.values()) and number:
                continue
            if time.perf_counter() > until:
                return best
            taken = time_it()
            best[name] = taken if number == 0 else min(best[name], taken)
    return best


def _parts(trial: Trial, batches: list[Batch], seconds: float) -> Json:
    """Milliseconds of the parts of a step: medians of what can be timed apart, and the rest."""
    until = time.perf_counter() + seconds
    stepper = trial.stepper()
    for _ in range(2):
        seconds_of(stepper, batches[0])
    rounds: list[dict[str, float]] = []
    while not rounds or (time.perf_counter() < until and len(rounds) < ROUNDS):
        rounds.append(_one_split(trial, stepper, batches))
    best = {name: min(one[name] for one in rounds) for name in rounds[0]}
    best["rest"] = max(0.0, best.pop("step") - best["forward"] - best["backward"] - best["optimizer"])
    return {name: _ms(taken) for name, taken in best.items()}


def _one_split(trial: Trial, stepper: Stepper, batches: list[Batch]) -> dict[str, float]:
    clock = _clock(trial.setup.device)
    start = clock()
    count = sum(1 for _ in islice(trial.endless(), len(batches)))
    data = (clock() - start) / count
    *inputs, target = batches[0]
    step = seconds_of(stepper, batches[0])
    begin = clock()
    loss = stepper.loss(inputs, target)
    middle = clock()
    loss.backward()
    end = clock()
    gradients = [torch.zeros_like(weight) for weight in stepper.optimizer.weights]
    zero = torch.zeros((), device=target.device)
    before = clock()
    stepper.optimizer.step(0.0, gradients, None, zero, 1 - zero)
    after = clock()
    return {
        "data": data, "forward": middle - begin, "backward": end - middle, "optimizer": after - before, "step": step
    }  # fmt: skip


def _clock(device: torch.device) -> Callable[[], float]:
    """A clock that waits for the device."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def _largest_batch(trial: Trial) -> tuple[int, str]:
    """The largest batch that fits, as a power of two or all rows: from measured bytes a row, on a GPU also tried."""
    rows = trial.rows.sample(min(PROBE_ROWS, trial.rows.count), 0)
    per_row = max(1, saved_bytes(trial.stepper().module, trial.task, rows) // rows.count)
    fixed = fixed_bytes(trial.module, trial.spec.config) + (data_bytes(trial.train) if trial.setup.resident else 0)
    free = int(read_facts().memory_free * MEMORY_SHARE) - fixed
    fits = max(1, min(trial.rows.count, LARGEST, free // per_row))
    estimated = fits if fits == trial.rows.count else 2 ** int(math.log2(fits))
    how = f"{per_row:,} bytes a row and {max(0, free):,} bytes free"
    if estimated == trial.rows.count:
        how += ": all rows at once would fit"
    if trial.setup.device.type == "cuda":
        return _tried(trial, estimated), f"tried, starting from {how}"
    return estimated, how


def _tried(trial: Trial, size: int) -> int:
    """The estimate, halved until a step of it fits."""
    while size > 1:
        try:
            seconds_of(trial.stepper(), trial.rows.sample(size, 0).part(0, size))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            size //= 2
        else:
            break
    return size


def _sizes(trial: Trial, largest: int, seconds: float) -> list[Json]:
    """Rows a second at sizes around the one that is taken."""
    usual = trial.batches.batch_size
    sizes = sorted({max(2, min(round(usual * factor), largest, trial.rows.count)) for factor in FACTORS} | {usual})
    tried: dict[str, Callable[[], float]] = {}
    for size in sizes:
        batches = list(islice(Batches(trial.rows, size, trial.spec.config.seed).epoch(1), 2 if size <= usual else 1))
        full = [batch for batch in batches if len(batch[-1]) == size]
        if full:
            tried[str(size)] = _per_row(_stepping(trial.stepper(), full), size)
    times = _interleaved(tried, seconds)
    return [{"rows": int(size), "samples_per_second": round(1 / taken)} for size, taken in times.items()]


def _per_row(time_it: Callable[[], float], size: int) -> Callable[[], float]:
    return lambda: time_it() / size


def _compile(trial: Trial, batch: Batch, plain_ms: float, left: float) -> Json:
    """What torch.compile does to a step, where it starts within the seconds left, and whether a run would use it."""
    facts = read_facts()
    work = replace(
        work_of(trial.spec, trial.spec.config, trial.module, trial.train, trial.batches.batch_size),
        step_seconds=plain_ms / 1e3,
        same_shapes=trial.rows.lengths is None,
    )
    _, why = decide_compile(facts, work)
    found: Json = {"run": why, "ms": None}
    if trial.setup.device.type == "cuda":
        found["timed"] = "not timed: starting it would take longer than this tool may"
    elif trial.rows.lengths is not None:
        found["timed"] = "not timed: batches differ in length"
    elif (seconds := _compiled_seconds(trial, batch, left)) is None:
        found["timed"] = f"not timed: it had not started after {max(0.0, left):.0f} s"
    else:
        found |= {"ms": _ms(seconds), "timed": f"{plain_ms / (1e3 * seconds):.2f} times as fast as without"}
    return found


def _compiled_seconds(trial: Trial, batch: Batch, left: float) -> float | None:
    """Seconds of a compiled step, from a child process that is ended when the time is up; None when it was too slow."""
    if left < 1 or "fork" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_time_compiled, args=(trial, batch, theirs), daemon=True)
    child.start()
    try:
        return ours.recv() if ours.poll(left) else None
    except EOFError:
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            # Its whole group: the C compiler that it started, too.
            os.killpg(child.pid or 0, signal.SIGKILL)
        child.kill()
        child.join()


def _time_compiled(trial: Trial, batch: Batch, told: Connection) -> None:
    """The life of that child."""
    os.setpgid(0, 0)
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    failed: list[str] = []
    stepper = trial.stepper()
    stepper.forward = compiled(stepper.module, failed.append)
    taken = [seconds_of(stepper, batch) for _ in range(ROUNDS)]
    if not failed:
        told.send(min(taken[1:]))


def _ms(seconds: float) -> float:
    return float(f"{1e3 * seconds:.3g}")
