"""A trace: the recorded numbers of one run, and what is known of its settings. Rules judge traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochRecord:
    """One epoch as it was measured. Losses are means over rows, in nats (or squared standardised units).

    NaN and infinity are values like any other. None means not measured.
    """

    epoch: int
    step: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_r2: float | None = None
    val_rmse: float | None = None
    val_f1: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    grad_norm_max: float | None = None
    update_ratio: float | None = None
    skipped_steps: int = 0
    samples_per_second: float | None = None
    gpu_memory: float | None = None
    seconds: float | None = None
    train_seconds: float | None = None


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt at a run: how it ended and what was changed for the next.

    `step` is where it failed, `saved_step` what its newest checkpoint has, `lost_seconds` the work between them.
    `facts` is what making a step again has shown whose loss was not finite (`training.replay`).
    `began` is the monotonic clock of the machine, which nobody sets, and `seconds` what it worked by that clock.
    """

    number: int
    started_at: float
    ended_at: float | None = None
    outcome: str | None = None
    cause: str | None = None
    message: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    resumed_from_step: int = 0
    step: int | None = None
    saved_step: int | None = None
    lost_seconds: float | None = None
    notes: list[str] = field(default_factory=list[str])
    began: float | None = None
    seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Trace:
    """What diagnosis may look at.

    `config` holds `train`'s arguments as resolved (`lr`, `batch_size`, `grad_clip`, ...), `model` the
    model's options with `parameters`, `data` what is known of the data (`num_classes`, `train_rows`,
    `class_counts`, `baseline`, `warnings` codes, `task`). Any of them may be empty: an agent may tell
    symptoms of a run that is not ours. `told` holds the symptoms that an agent named, as words of
    `diagnosis.words`, and `told_numbers` the numbers that came with them (`loss`, `train_accuracy`, ...).
    """

    epochs: tuple[EpochRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    told: frozenset[str] = frozenset()
    told_numbers: dict[str, float] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    finished: bool = True
