"""A run as the rules see it: its trace, put together from the store, and what they say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.specs import PYTHON
from trainwell.contract.trace import Trace
from trainwell.diagnosis import diagnose

if TYPE_CHECKING:
    from trainwell.contract.findings import Finding
    from trainwell.store.store import Store


def judge(store: Store, run: str, *, finished: bool | None = None) -> list[Finding]:
    """Ask the rules what is wrong with a run, and keep the answer with it."""
    findings = diagnose(trace_of(store, run, finished=finished))
    store.history.set_findings(run, findings)
    return findings


def trace_of(store: Store, run: str, *, finished: bool | None = None) -> Trace:
    """The recorded numbers of a run, with its settings as they were resolved.

    Args:
        store: Where the run is.
        run: Its handle.
        finished: Whether its end is known; by default, whether it has ended.
    """
    row = store.runs.get(run)
    spec = store.runs.spec(run)
    attempts = store.history.attempts(run)
    changes = attempts[-1].changes if attempts else {}
    ours = spec.model.architecture != PYTHON
    resolved = {name: row["plan"][name] for name in ("batch_size", "precision", "total_steps") if name in row["plan"]}
    return Trace(
        epochs=tuple(store.history.epochs(run)),
        signals=tuple(store.history.signals(run)),
        attempts=tuple(attempts),
        config={
            **spec.config.model_dump(),
            **resolved,
            **changes,
            "arguments": row["arguments"],
            "limits": spec.limits,
        },
        model={
            **spec.model.options,
            "architecture": spec.model.architecture,
            "parameters": spec.model.report.get("parameters"),
        },
        data={
            "task": spec.data.task,
            "num_classes": len(spec.data.classes),
            "class_counts": list(spec.data.class_counts),
            "rows": sum(spec.data.splits.values()),
            "train_rows": spec.data.splits["train"],
            "validation_rows": spec.data.splits["validation"],
            "baseline": spec.data.baseline.value,
            "chance_loss": spec.data.encoding.get("chance_loss"),
            "warnings": [warning.code for warning in spec.data.warnings],
            "suspect_columns": {warning.code: warning.column for warning in spec.data.warnings if warning.column},
            "asked": spec.data.encoding.get("asked"),
            "inputs": [list(tensor.shape) for tensor in spec.data.inputs],
        },
        facts=store.history.facts(run),
        error=row["message"],
        # No call of a tool could repeat a run of a Python program.
        handles={"run": run, **({"model": row["model"], "data": row["data"]} if ours else {})},
        finished=row["ended_at"] is not None if finished is None else finished,
    )
