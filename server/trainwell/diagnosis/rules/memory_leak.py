"""Memory grows from epoch to epoch.

Symptom: the process holds more after every epoch.
Cause: something is kept that each step makes: losses that are still tensors, lists of outputs, a graph that is never
let go.
Remedy: keep numbers (`.item()`), not tensors; empty the list. A person finds the place.
Source: reference/diagnosis.md, row 61 (+20 % and a rank correlation > .8, runmedic).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.rows import shown
from trainwell.diagnosis.series import rank_correlation
from trainwell.diagnosis.signals import finite

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("slow_steps", "out_of_memory", "host_out_of_memory")

# Growth over the second epoch, as a share and in bytes; in each of how many epochs.
GROWTH, BYTES, FEWEST_EPOCHS = 0.15, 100 * 2**20, 5
STEADY = 0.9


def check(trace: Trace) -> Finding | None:
    """Judge by the memory of host and device, the first epoch left out: there everything is new."""
    for name in ("host_memory", "gpu_memory"):
        sizes = finite(trace, name)[1:]
        if len(sizes) < FEWEST_EPOCHS or sizes[0] <= 0:
            continue
        grown = sizes[-1] - sizes[0]
        late = sizes[-1] - sizes[len(sizes) // 2]
        if grown >= max(BYTES, GROWTH * sizes[0]) and late >= grown / 4 and rank_correlation(sizes) >= STEADY:
            return _finding(name, sizes)
    return None


def _finding(name: str, sizes: list[float]) -> Finding:
    an_epoch = (sizes[-1] - sizes[0]) / (len(sizes) - 1)
    return Finding(
        code="memory_leak",
        severity="warning",
        symptom=f"Memory grew from {sizes[0] / 2**20:.0f} to {sizes[-1] / 2**20:.0f} MB, by {an_epoch / 2**20:.0f} MB "
        "with each epoch.",
        cause="Something that each step makes is kept: a list of losses or outputs that are still tensors, a graph "
        "that is never let go. Keep numbers (.item(), .detach()), and empty lists.",
        confidence=0.9,
        cost="The run ends when memory does.",
        evidence=shown({"which": name, "first_bytes": sizes[0], "last_bytes": sizes[-1], "bytes_an_epoch": an_epoch}),
    )
