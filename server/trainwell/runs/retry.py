"""When a failed attempt is tried again, after how long, and with what changed. Pure judgement, no I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from trainwell.contract.specs import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

Class = Literal["transient", "fixable", "permanent"]

#: What an attempt can die of. Anything not named here is an error in code or data, and permanent.
CLASSES: dict[str, Class] = {
    "process_died": "transient",
    "device_error": "transient",
    "store_busy": "transient",
    "io_error": "transient",
    "stalled": "transient",
    "terminated": "transient",
    "loader_failed": "transient",
    "out_of_memory": "fixable",
    "host_out_of_memory": "fixable",
    "non_finite_loss": "fixable",
}
LONGEST_DELAY_SECONDS = 300.0
MAX_HALVINGS = 6
#: Both are mended by smaller micro-batches.
OUT_OF_MEMORY = ("out_of_memory", "host_out_of_memory")
#: Lower rates tried after a non-finite loss: a tenth each time (backoff .1, .01, .001).
LR_FACTOR = 0.1
CLIP_AFTER_NON_FINITE = 1.0
SMALLEST_LR = 1e-6


#: Facts of a bad step: whether the rows that it saw were numbers.
_NUMBERS = ("inputs_finite", "target_finite")


@dataclass(frozen=True)
class Decision:
    """What to do after a failed attempt. `changes` is the whole set of adjustments for the next one."""

    retry: bool
    kind: Class
    delay_seconds: float = 0.0
    changes: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


def backoff_seconds(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    """Time to wait after attempt number `attempt` (1, 2, ...); `jitter` in [0, 1) keeps many runs apart.

    Exponential: base * 2^(attempt - 1), of which the upper half is random (so that it is never near zero).
    """
    if policy.strategy == "none":
        return 0.0
    base = policy.base_delay_ms / 1000
    delay = base * 2 ** (attempt - 1) if policy.strategy == "exponential_backoff" else base
    return min(LONGEST_DELAY_SECONDS, delay) * (0.5 + 0.5 * jitter)


def decide(
    policy: RetryPolicy,
    attempt: int,
    cause: str,
    config: dict[str, Any],
    changes: dict[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> Decision:
    """Judge a failed attempt.

    Args:
        policy: The manifest's retry_logic.
        attempt: The number of the attempt that failed, from 1.
        cause: What it died of, a key of CLASSES or any other word.
        config: `lr`, `grad_clip`, `batch_size` as the run was submitted.
        changes: What earlier retries have changed already.
        facts: What was found out about the failure; see `AttemptRecord.facts`.
    """
    kind = CLASSES.get(cause, "permanent")
    if cause == "non_finite_loss" and facts and not all(facts.get(name, True) for name in _NUMBERS):
        return Decision(retry=False, kind="permanent", reason="No rate helps rows that hold NaN or infinity.")
    if kind == "permanent":
        reason = "The checkpoints are as they were." if cause == "disk_full" else "This failure would come again."
        return Decision(retry=False, kind=kind, reason=reason)
    if policy.strategy == "none" or attempt >= policy.max_attempts:
        return Decision(retry=False, kind=kind, reason=f"All {attempt} of {policy.max_attempts} attempts are used.")
    if kind == "fixable" and not policy.repairs:
        return Decision(retry=False, kind=kind, reason="A twin is not repaired.")
    repaired = _repaired(cause, config, changes)
    if repaired is None:
        return Decision(retry=False, kind=kind, reason="There is nothing left to change that could help.")
    delay = backoff_seconds(policy, attempt, random.random())  # noqa: S311 - jitter, not a secret
    return Decision(retry=True, kind=kind, delay_seconds=delay, changes=repaired, reason=_told(cause, repaired))


def _repaired(cause: str, config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any] | None:
    """The adjustments for the next attempt, or None when the repair is exhausted."""
    if cause in OUT_OF_MEMORY:
        divisor = 2 * int(changes.get("micro_batch_divisor", 1))
        rows = int(config.get("batch_size") or divisor)
        return None if divisor > min(rows, 2**MAX_HALVINGS) else {**changes, "micro_batch_divisor": divisor}
    if cause == "non_finite_loss":
        lr = float(changes.get("lr", config["lr"])) * LR_FACTOR
        clip = float(config.get("grad_clip") or CLIP_AFTER_NON_FINITE)
        repaired = {**changes, "lr": lr, "grad_clip": min(clip, CLIP_AFTER_NON_FINITE)}
        return None if lr < SMALLEST_LR else repaired
    return dict(changes)


def _told(cause: str, changes: dict[str, Any]) -> str:
    if cause in OUT_OF_MEMORY:
        return f"Micro-batch divided by {changes['micro_batch_divisor']}, gradients accumulated: same effective batch."
    if cause == "non_finite_loss":
        return (
            f"Back to the last good weights, lr {changes['lr']:.3g}, gradient norm clipped at {changes['grad_clip']:g}."
        )
    return "Same settings, from the last checkpoint."
