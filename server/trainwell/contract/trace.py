"""A trace: the recorded numbers of one run, and what is known of its settings. Rules judge traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochRecord:
    """One epoch as it was measured. Losses are means over rows, in nats (or squared standardised units).

    NaN and infinity are values like any other. None means not measured.

    `batch_loss_std` is the spread of the batches' losses over their mean. `fitted_loss` is the loss of a sample of the
    training rows with dropout off, as validation sees them; `row_losses` is how the losses of single rows of it lie:
    `median`, `p90`, `p99`, `max`, `wrong` (share of rows that are wrong) and `sure` (mean loss of the wrong ones).
    `predicted` counts how often each class was named in validation, `recalls` is the share of each class's rows that
    was found (None without rows), and `val_balanced_accuracy` the mean of those shares. `weight_norm` is over all
    weights. `data_seconds` of `train_seconds` went by waiting for batches. `gpu_memory` is the most bytes so far,
    `host_memory` those of the process at the end. `machine_load` is how many programs wanted a core in the last
    minute, over the cores that there are.
    """

    epoch: int
    step: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_balanced_accuracy: float | None = None
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
    batch_loss_std: float | None = None
    fitted_loss: float | None = None
    row_losses: dict[str, float] = field(default_factory=dict[str, float])
    predicted: list[int] = field(default_factory=list[int])
    recalls: list[float | None] = field(default_factory=list[float | None])
    weight_norm: float | None = None
    loss_scale: float | None = None
    clipped_steps: int | None = None
    data_seconds: float | None = None
    host_memory: float | None = None
    machine_load: float | None = None


@dataclass(frozen=True)
class SignalRecord:
    """One optimizer step that was looked at closely: steps 0 to 7 of a run, then some of those that follow.

    By name of a weight tensor: `grad_norms` before clipping, `weight_norms` before the step, and `update_ratios`,
    ||change|| / ||weights|| over the step as the optimizer made it. By name of a layer: `dead`, the share of its units
    that gave nothing for any row of the batch (ReLU and its like); `saturated`, the share of its outputs at the ends
    of their range (sigmoid, tanh); `scales`, the deviation of its outputs.

    `step` counts the optimizer steps before it, `loss` and `grad_norm` are of its batch, `loss_scale` is that of fp16.
    """

    step: int
    epoch: int
    loss: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    loss_scale: float | None = None
    grad_norms: dict[str, float] = field(default_factory=dict[str, float])
    update_ratios: dict[str, float] = field(default_factory=dict[str, float])
    weight_norms: dict[str, float] = field(default_factory=dict[str, float])
    dead: dict[str, float] = field(default_factory=dict[str, float])
    saturated: dict[str, float] = field(default_factory=dict[str, float])
    scales: dict[str, float] = field(default_factory=dict[str, float])


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
    symptoms of a run that is not ours. `error` is the line that ended it, `traceback` the text around it where
    there is more. `told` holds the symptoms that an agent named, as words of
    `diagnosis.words`, and `told_numbers` the numbers that came with them (`loss`, `train_accuracy`, ...).

    `signals` are the steps that were looked at closely, in order. `facts` is what was found before anything was
    learnt, by name, as far as it could be; a missing name is not known. Of the network, from its first batch
    (`training.opening`): `loss0`; `output_min`, `output_max`, `rows_sum_to_one`, `output_shape`, `target_shape`,
    `target_min`, `target_max`, `target_whole`, `target_marks` (nothing but 0 and 1); `output_activation` (what the
    outputs went through last: `sigmoid`, `softmax`, `tanh`, `relu`, `softplus`); `inputs_finite`;
    `loss_name` (`cross_entropy`, `nll`, `mse`, `mae`, `bce_logits`, `bce`);
    `frozen`, `not_optimised`, `no_gradient`, `zero_gradient` (names of tensors), `frozen_share`; `first_gradient`,
    `last_gradient` (norms of the gradients of the first and last weight matrix); `symmetric` (names of matrices
    whose rows are all alike); `dead`, `saturated` (as in `SignalRecord`); `weight_layers`, `weight_types`, `is_linear`,
    `eval_varies` (two passes of the same rows differ), `batch_norms`, `recurrent`, `largest_dropout`. Of a loop that is
    not ours: `broadcasts`, `keeps_gradients`, `maximises`, `judges_in_train_mode`, `judging_draws` (such a pass draws
    random numbers, as dropout does), `learns_in_eval_mode`. Of the data, by `trainwell.data.facts`: names that begin
    with `data.`.
    """

    epochs: tuple[EpochRecord, ...] = ()
    signals: tuple[SignalRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    traceback: str | None = None
    told: frozenset[str] = frozenset()
    told_numbers: dict[str, float] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    finished: bool = True
