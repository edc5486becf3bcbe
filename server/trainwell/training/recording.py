"""The record of an epoch, put together from what was measured on its way."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil
import torch

from trainwell.contract.trace import EpochRecord
from trainwell.training.step import norms, together

if TYPE_CHECKING:
    from trainwell.training.losses import Metrics
    from trainwell.training.preparing import Loop


def epoch_record(loop: Loop, metrics: Metrics, judged: dict[str, Any]) -> EpochRecord:
    """The epoch that has just ended.

    Args:
        loop: The training, its epoch already counted.
        metrics: Of validation.
        judged: What else the judging of rows gave, by names of `EpochRecord`.
    """
    totals, stepper = loop.totals, loop.stepper
    device = loop.setup.device
    measured: dict[str, Any] = {**metrics, **totals.norm_statistics(), **judged}
    return EpochRecord(
        epoch=loop.epoch,
        step=loop.step,
        train_loss=totals.train_loss,
        **measured,
        lr=loop.highest_rate,
        update_ratio=None if loop.update_ratio is None else loop.update_ratio.item(),
        skipped_steps=totals.skipped,
        samples_per_second=totals.rows / totals.train_seconds if totals.train_seconds > 0 else None,
        gpu_memory=float(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None,
        seconds=totals.seconds,
        train_seconds=totals.train_seconds,
        batch_loss_std=totals.batch_loss_std(),
        weight_norm=together(norms(stepper.optimizer.weights)).item(),
        loss_scale=None if stepper.growth is None else stepper.scale.item(),
        clipped_steps=totals.clipped(stepper.clip),
        data_seconds=totals.data_seconds,
        host_memory=float(psutil.Process().memory_info().rss),
        machine_load=machine_load(),
    )


def machine_load() -> float:
    """How many programs wanted a core in the last minute, over the cores that there are."""
    return psutil.getloadavg()[0] / (psutil.cpu_count() or 1)
