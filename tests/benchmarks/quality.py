"""What the defaults alone reach on real data, beside what else a person would take: `make quality`.

Nothing is chosen but the data and its target: `prepare_data`, `build_model`, `train` and `evaluate` decide the rest.
The rivals come as they come, and fit training and validation rows together, because they hold none out; all are judged
on the same test rows. Where those are few, the score is the mean over several splits.

    python -m tests.benchmarks.quality [--only iris,wine] [--record FILE] [--splits N]

With --record every score is written down as it comes, and what is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from loguru import logger

from tests.benchmarks import rivals
from tests.benchmarks.front_door import Bench
from tests.benchmarks.sets import OTHERS, TABLES, RealSet

if TYPE_CHECKING:
    from collections.abc import Iterable

OURS = "trainwell"
MOST_BEHIND = 0.02


class Record:
    """Scores and seconds by (set, split, method), in a file of JSON lines if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.known = {(row["set"], row["split"], row["method"]): row for row in map(json.loads, lines)}

    def add(self, one: RealSet, split: int, method: str, score: float, seconds: float) -> None:
        """Keep one score."""
        row = {"set": one.name, "split": split, "method": method, "score": score, "seconds": seconds}
        self.known[one.name, split, method] = row
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def means(self, one: RealSet, method: str) -> tuple[float, float]:
        """Mean score and seconds of a method over the splits of a set."""
        rows = [row for (name, _, by), row in self.known.items() if (name, by) == (one.name, method)]
        return mean(row["score"] for row in rows), mean(row["seconds"] for row in rows)


def measure(one: RealSet, record: Record, splits: int) -> None:
    """Measure what is not yet in the record of one set."""
    methods = [OURS] if one.figure else [OURS, *rivals.RIVALS]
    table = None
    for split in range(splits):
        missing = [method for method in methods if (one.name, split, method) not in record.known]
        if not missing:
            continue
        table = one.read() if table is None else table
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            bench = Bench(Path(folder))
            data = _prepared(bench, one, table, split)
            if OURS in missing:
                record.add(one, split, OURS, *ours(bench, data))
            rows = {
                name: np.load(next(bench.services.workspace.state.glob(f"data/*/{name}_rows.npy")))
                for name in ("train", "validation", "test")
            }
            fit = np.concatenate([rows["train"], rows["validation"]])
            for method in missing:
                if method != OURS:
                    record.add(one, split, method, *rivals.score(method, table, one.target, fit, rows["test"]))


def _asked(bench: Bench, tool: str, **arguments: Any) -> dict[str, Any]:
    """A call; what a busy machine has not done yet is asked for again, as it says."""
    while True:
        try:
            return bench.call(tool, **arguments)
        except RuntimeError as error:
            if "work_takes_long" not in str(error) and "busy" not in str(error):
                raise


def _prepared(bench: Bench, one: RealSet, table: Any, split: int) -> str:
    """The handle of the set's data; the first split is that of the defaults."""
    root = bench.services.workspace.root
    if isinstance(table, dict):
        np.savez(root / f"{one.name}.npz", **table)
    else:
        table.to_csv(root / f"{one.name}.csv", index=False)
    source = f"{one.name}.{'npz' if isinstance(table, dict) else 'csv'}"
    return _asked(bench, "prepare_data", source=source, target=one.target, seed=split, **one.prepare)["data"]


def ours(bench: Bench, data: str) -> tuple[float, float]:
    """The score of the defaults on the test rows, and the seconds from the call of train to its end."""
    model = _asked(bench, "build_model", data=data)["model"]
    start = time.perf_counter()
    run = _asked(bench, "train", model=model, train_loader=data)["run"]
    row = bench.finished(run)
    seconds = time.perf_counter() - start
    if row["state"] != "completed":
        raise RuntimeError(f"{run}: {row['state']}: {row['message']}")
    metrics = _asked(bench, "evaluate", run=run)["metrics"]
    return metrics["accuracy" if "accuracy" in metrics else "r2"], seconds


def told(measured: Iterable[RealSet], record: Record) -> list[str]:
    """The table of the tables, that of the rest, and the verdict."""
    lines = [
        "| table | splits | trainwell | mlp | histgb | lightgbm | ahead of the best | seconds of each |",
        "|---|---|---|---|---|---|---|---|",
    ]
    others = ["| other | trainwell | seconds | figure | ahead | source |", "|---|---|---|---|---|---|"]
    leads: list[float] = []
    for one in measured:
        score, seconds = record.means(one, OURS)
        if one.figure:
            figure, source = one.figure
            leads.append(score - figure)
            others.append(f"| {one.name} | {score:.4f} | {seconds:.0f} | {figure} | {leads[-1]:+.4f} | {source} |")
            continue
        theirs = [record.means(one, method) for method in rivals.RIVALS]
        leads.append(score - max(score for score, _ in theirs))
        times = " / ".join(f"{took:.1f}" for _, took in [(score, seconds), *theirs])
        scores = " | ".join(f"{value:.4f}" for value, _ in [(score, seconds), *theirs])
        count = sum((name, by) == (one.name, OURS) for name, _, by in record.known)
        lines.append(f"| {one.name} | {count} | {scores} | {leads[-1]:+.4f} | {times} |")
    good = sum(lead >= 0 for lead in leads)
    verdict = (
        f"At or above the best on {good} of {len(leads)} sets; worst {min(leads):+.4f}; "
        f"{sum(lead < -MOST_BEHIND for lead in leads)} more than {MOST_BEHIND:.2f} behind."
    )
    return [*lines, "", *others, "", verdict] if len(others) > 2 else [*lines, "", verdict]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; succeeds always, for a figure is no test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="names, with commas between them")
    parser.add_argument("--splits", type=int, help="at most so many splits of each set")
    parser.add_argument("--record", type=Path)
    asked = parser.parse_args(arguments)
    logger.remove()
    every = TABLES | OTHERS
    chosen = [every[name] for name in (asked.only.split(",") if asked.only else every)]
    record = Record(asked.record)
    for one in chosen:
        measure(one, record, min(one.splits, asked.splits or one.splits))
        print(*told([one], record)[2:3], flush=True)  # noqa: T201
    print("\n".join(told(chosen, record)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
