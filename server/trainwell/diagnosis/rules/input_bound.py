"""Training waits for its rows.

Symptom: much of the time of training goes by between the steps, waiting for the loader.
Cause: rows that are read or made one by one, slower than the network learns from them.
Remedy: worker processes in the loader, or rows that are read once and kept.
Source: reference/diagnosis.md, row 62 (data time > 30 to 50 % of the step).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.rows import shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("slow_steps",)

# Share of the training time that is spent waiting, over this many seconds at least.
SHARE, SECONDS = 0.5, 1.0


def check(trace: Trace) -> Finding | None:
    """Judge by the time that went by waiting, the first epoch left out where there are others."""
    known = [one for one in trace.epochs if one.data_seconds is not None and one.train_seconds]
    known = known[1:] or known
    waited = sum(one.data_seconds or 0.0 for one in known)
    total = sum(one.train_seconds or 0.0 for one in known)
    if total < SECONDS or waited < SHARE * total:
        return None
    return Finding(
        code="input_bound",
        severity="warning",
        symptom=f"{waited / total:.0%} of the training time goes by waiting for rows.",
        cause="The loader is slower than the network: give it num_workers and persistent_workers=True, move decoding "
        "out of __getitem__, or pass stream=False if rows are the same each time.",
        confidence=0.9,
        cost=f"About {waited / total:.0%} of the time of each epoch.",
        evidence=shown({"waiting_seconds": waited, "training_seconds": total, "epochs": len(known)}),
    )
