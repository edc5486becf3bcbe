"""Watch somebody's own loop: the findings that a run of ours would get, while the loop goes on as it is.

watch = trainwell.watch(model, optimizer, loss=criterion)
for x, y in loader:
    loss = criterion(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    watch.step(loss, batch=(x, y))
watch.epoch(val_loss=..., val_accuracy=...)
watch.findings()
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import sys
import time
import traceback
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import PYTHON
from trainwell.contract.text import plain
from trainwell.contract.trace import AttemptRecord, EpochRecord, Trace
from trainwell.diagnosis import diagnose
from trainwell.diagnosis.foreign import folded
from trainwell.python.looking import Looker, peak_lr
from trainwell.python.sampling import FirstRows
from trainwell.training.opening import facts_of_target
from trainwell.training.recording import machine_load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import SignalRecord

# Losses by the usual name of what they compute.
LOSSES: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.NLLLoss: "nll",
    nn.MSELoss: "mse",
    nn.L1Loss: "mae",
    nn.BCELoss: "bce",
    nn.BCEWithLogitsLoss: "bce_logits",
}
NAMES = tuple(LOSSES.values())
MEASURES = tuple(
    name for name in EpochRecord.__dataclass_fields__ if name.startswith(("val_", "train_acc")) or name == "predicted"
)
# Losses of values; and those for which outputs and targets must have one shape.
OF_VALUES = ("mse", "mae")
ONE_SHAPE = (*OF_VALUES, "bce", "bce_logits")
# Losses that wait on the device before they are read.
READ_EVERY = 64
# The rules may take this share of the time of a loop, besides what is told at the end of an epoch.
RULES_SHARE = 0.01
# Rows of a bad batch that are named.
MOST_ROWS = 8
LONGEST_TRACEBACK = 20_000


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    loss: nn.Module | str | None = None,
    epochs: int | None = None,
    probe: bool = True,
    on_finding: Callable[[Finding], None] | bool = False,
) -> Watch:
    """Watch a loop; it needs to call `step` after each optimizer step, and `epoch` after each epoch where it has any.

    Args:
        model: Its layers are listened to in some steps. Nothing of it is changed.
        optimizer: Over the model's parameters; its steps are counted by its hooks.
        loss: The loss module, or its name (`cross_entropy`, `nll`, `mse`, `mae`, `bce`, `bce_logits`); tells what
            outputs and targets should be.
        epochs: How many are planned: a run that is in its first ones is judged mildly.
        probe: Ask the network before its first step what it gives for the first batch, in evaluation mode; modes,
            buffers and random numbers are as before.
        on_finding: True tells each finding once on standard error, as soon as it is there; or a function that gets it.

    Raises:
        TrainwellError: `wrong_type`, `unknown_loss`.
    """
    _check_objects(model, optimizer)
    return Watch(Looker(model, optimizer, _name_of(loss), probe), on_finding, epochs)


def _check_objects(model: object, optimizer: object) -> None:
    if not isinstance(model, nn.Module):
        raise TrainwellError(
            "wrong_type", f"model is a {type(model).__name__}, not a module.", argument="model",
            allowed="Valid PyTorch model",
        )  # fmt: skip
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TrainwellError(
            "wrong_type", f"optimizer is a {type(optimizer).__name__}.", argument="optimizer",
            allowed="a torch.optim.Optimizer",
        )  # fmt: skip


def _name_of(loss: nn.Module | str | None) -> str | None:
    if isinstance(loss, str) and loss not in NAMES:
        raise TrainwellError(
            "unknown_loss", "There is no such loss here.", argument="loss", got=loss, allowed=list(NAMES),
            hint=did_you_mean(loss, NAMES) or "Leave it out.",
        )  # fmt: skip
    return LOSSES.get(type(loss)) if isinstance(loss, nn.Module) else loss


@dataclass
class Watch:
    """What `watch` gives; also a context manager, which takes its hooks away at the end and keeps a crash's traceback.

    Attributes:
        looker: Looks at some steps.
        on_finding: See `watch`.
        planned: Epochs, where they are known.
        epochs: What `epoch` recorded.
        signals: The steps that were looked at.
        bad_batch: Of the first loss that was not finite, as `AttemptRecord.facts`: step, rows of the batch whose inputs
            or targets are not finite, weights that are not.
    """

    looker: Looker
    on_finding: Callable[[Finding], None] | bool = False
    planned: int | None = None
    epochs: list[EpochRecord] = field(default_factory=list[EpochRecord])
    signals: list[SignalRecord] = field(default_factory=list["SignalRecord"])
    bad_batch: dict[str, Any] = field(default_factory=dict[str, Any])
    _losses: list[float] = field(default_factory=list[float])
    _rates: list[float] = field(default_factory=list[float])
    _pending: list[Tensor] = field(default_factory=list[Tensor])
    _rows: int = 0
    _first_rows: FirstRows = field(default_factory=FirstRows)
    _batch: int = 0
    _closed_at: tuple[int, int] = (0, 0)
    _quiet_until: float = 0.0
    _told: set[str] = field(default_factory=set[str])
    _error: str | None = None
    _traceback: str | None = None
    _since: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            text = "".join(traceback.format_exception(kind, error, at))
            self._error, self._traceback = plain(str(error), 1000), text[-LONGEST_TRACEBACK:]
            self._tell()
        self.close()

    def step(self, loss: Tensor | float, batch: Sequence[Any] | None = None) -> None:
        """Note a step that was made; call it after `optimizer.step()`.

        Args:
            loss: Of this step's batch: one number.
            batch: (input, ..., target), as the loader gave it; the last is the target. Tells what targets look like,
                and which rows were at fault when the loss is not finite.
        """
        value = loss.detach() if isinstance(loss, Tensor) else torch.tensor(float(loss))
        looked = self.looker.note_loss(value)
        self._pending.append(value)
        self._rates.append(peak_lr(self.looker.optimizer))
        tensors = [one for one in batch or () if isinstance(one, Tensor)]
        if tensors:
            self._batch = len(tensors[-1]) if tensors[-1].ndim else 1
            self._rows += self._batch
            if "target_shape" not in self.looker.facts:
                self._meet_target(tensors[-1])
            self._first_rows.add(tensors)
        # Reading a loss waits for the device; on the CPU there is nothing to wait for.
        at_once = value.device.type == "cpu" or looked
        if at_once and not self.bad_batch and not math.isfinite(float(value)):
            self.bad_batch = self._forensics(tensors)
            self._tell()
        self.looker.inputs = ()
        if len(self._pending) >= READ_EVERY or (looked and len(self._losses) + len(self._pending) == READ_EVERY // 8):
            self._read()
            if time.perf_counter() >= self._quiet_until:
                self._tell()

    def epoch(self, **measured: Any) -> None:
        """Close an epoch.

        Args:
            measured: What was measured besides the losses of the steps, by the names of our records: `val_loss`,
                `val_accuracy`, `train_accuracy`, `val_f1`, `val_r2`, `val_rmse`, `predicted` (counts by class).

        Raises:
            TrainwellError: `unknown_metric`, `bad_metric`.
        """
        given = {name: _checked(name, value) for name, value in measured.items()}
        self._read()
        losses, rates = self._losses[self._closed_at[0] :], self._rates[self._closed_at[0] :]
        looks = self.signals[self._closed_at[1] :]
        norms = [look.grad_norm for look in looks if look.grad_norm is not None]
        ratios = [ratio for look in looks for ratio in look.update_ratios.values() if math.isfinite(ratio)]
        now = time.perf_counter()
        self.epochs.append(
            EpochRecord(
                epoch=len(self.epochs) + 1,
                step=self.looker.made,
                train_loss=_mean(losses),
                lr=rates[-1] if rates else None,
                grad_norm=median(norms) if norms else None,
                grad_norm_max=max(norms, default=None),
                update_ratio=median(ratios) if ratios else None,
                samples_per_second=self._rows / (now - self._since) if self._rows else None,
                seconds=now - self._since,
                machine_load=machine_load(),
                **given,
            )
        )
        self._closed_at, self._rows, self._since = (len(self._losses), len(self.signals)), 0, now
        self.looker.epoch = len(self.epochs) + 1
        self._tell()

    def findings(self) -> list[Finding]:
        """What the rules see by now, the most important first; empty when nothing is wrong."""
        self._read()
        return diagnose(self.trace())

    def trace(self) -> Trace:
        """All that was recorded, as the rules get it."""
        optimizer = self.looker.optimizer
        facts = {**self.looker.facts, **self._first_rows.facts(values=self.looker.loss in OF_VALUES)}
        group = optimizer.param_groups[0]
        shape: list[int] = facts.get("output_shape") or []
        classes = {"num_classes": shape[0]} if self._classifies() and shape and shape[0] > 1 else {}
        return Trace(
            epochs=tuple(self.epochs) or self._blocks(),
            signals=tuple(self.signals),
            config={
                "optimizer": type(optimizer).__name__.lower(),
                "lr": max(self._rates, default=peak_lr(optimizer)),
                "weight_decay": group.get("weight_decay"),
                "momentum": group.get("momentum"),
                **({"epochs": self.planned} if self.planned else {}),
                **({"batch_size": self._batch} if self._batch else {}),
            },
            model={
                "architecture": PYTHON,
                "parameters": sum(weight.numel() for weight in self.looker.model.parameters()),
            },
            data={"task": "classification", **classes} if self._classifies() else _guess(self.looker.loss, facts),
            facts=facts,
            attempts=(AttemptRecord(1, 0.0, facts=self.bad_batch),) if self.bad_batch else (),
            error=self._error,
            traceback=self._traceback,
            finished=self._error is not None or len(self.epochs) >= (self.planned or math.inf),
        )

    def close(self) -> None:
        """Take the hooks away; findings can still be asked for."""
        self._read()
        self.looker.close()

    def _classifies(self) -> bool:
        return self.looker.loss in ("cross_entropy", "nll")

    def _meet_target(self, target: Tensor) -> None:
        facts = self.looker.facts
        facts |= facts_of_target(target)
        shape = facts.get("output_shape")
        if self.looker.loss in ONE_SHAPE and shape is not None:
            facts["broadcasts"] = shape != facts["target_shape"]

    def _read(self) -> None:
        """Bring what waits to the host."""
        if self._pending:
            read = cast("list[float]", torch.stack([one.reshape(()).float() for one in self._pending]).tolist())
            self._losses += read
            self._pending = []
        self.signals += self.looker.read()

    def _blocks(self) -> tuple[EpochRecord, ...]:
        """Blocks of steps in place of epochs, for a loop that has none."""
        rows = [
            {"step": float(step), "train_loss": loss, "lr": rate}
            for step, (loss, rate) in enumerate(zip(self._losses, self._rates, strict=False), start=1)
        ]
        return tuple(
            EpochRecord(number, int(row["step"] or 0), train_loss=row["train_loss"], lr=row["lr"])
            for number, row in enumerate(folded(rows), start=1)
        )

    @torch.no_grad()
    def _forensics(self, tensors: list[Tensor]) -> dict[str, Any]:
        """The rows and weights that are not finite; see `bad_batch`."""
        columns = tensors or list(self.looker.inputs)
        bad = [_bad_rows(column) for column in columns]
        target = bad.pop() if tensors else []
        inputs = sorted({row for rows in bad for row in rows})
        rows = inputs or target
        named = self.looker.model.named_parameters()
        weights = [name for name, weight in named if not bool(torch.isfinite(weight).all())]
        found = {
            "step": self.looker.made - 1, "split": "batch", "rows": rows[:MOST_ROWS], "bad_rows": len(rows),
            "batch_rows": self._batch or None, "inputs_finite": not inputs, "target_finite": not target,
            "weights_not_finite": weights[:MOST_ROWS], "cause": "data" if rows else None,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}

    def _tell(self) -> None:
        """Hand on what was not told before."""
        if not self.on_finding:
            return
        began = time.perf_counter()
        found = self.findings()
        ended = time.perf_counter()
        self._quiet_until = ended + (ended - began) / RULES_SHARE
        for finding in found:
            if finding.code in self._told:
                continue
            self._told.add(finding.code)
            if callable(self.on_finding):
                self.on_finding(finding)
            else:
                fix = f" Fix: {finding.fixes[0].reason}" if finding.fixes else ""
                said = f"{finding.severity} {finding.code}: {finding.symptom} Cause: {finding.cause}{fix}"
                sys.stderr.write(f"trainwell, step {self.looker.made}: {said}\n")


def _guess(loss: str | None, facts: dict[str, Any]) -> dict[str, Any]:
    """The loss of naming the mean of all targets, where each row has one; of other losses it is not known."""
    spread = facts.get("data.target_std")
    one = math.prod(facts.get("target_shape") or [1]) == 1
    return {"chance_loss": spread**2} if loss == "mse" and one and spread else {}


def _bad_rows(column: Tensor) -> list[int]:
    if not column.is_floating_point() or not column.ndim:
        return []
    finite = torch.isfinite(column).reshape(len(column), -1).all(dim=1)
    return cast("list[int]", (~finite).nonzero().flatten().tolist())


def _mean(values: list[float]) -> float | None:
    """Of one epoch's losses; one that is not finite is the mean."""
    broken = next((value for value in values if not math.isfinite(value)), None)
    return broken if broken is not None else (sum(values) / len(values) if values else None)


def _checked(name: str, value: Any) -> Any:
    """A measure as a number, or counts as whole numbers."""
    if name not in MEASURES:
        raise TrainwellError(
            "unknown_metric", "A measure of an epoch is unknown.", argument=name, got=name, allowed=list(MEASURES),
            hint=did_you_mean(name, MEASURES) or "Leave it out.",
        )  # fmt: skip
    try:
        return [int(one) for one in value] if name == "predicted" else float(value)
    except (TypeError, ValueError) as error:
        raise TrainwellError(
            "bad_metric",
            "A measure is not a number.",
            argument=name,
            got=str(value),
            allowed="a number, or a tensor of one",
        ) from error
