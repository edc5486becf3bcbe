"""After a loss that is not finite: the bad step made again and watched, to say where it went wrong and why.

Nothing here runs, and nothing is kept for it, until a number has gone bad. A gradient that is not finite never touches
a weight, so the weights that are at hand are still those of the bad step, or close to them, and the batch follows from
(seed, epoch, number): the step can be made again on a copy of the network. Then it is made once more with one thing
changed (full precision, without the rows that stand out, the first weights): what helps is the cause.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainwell.training.batches import Batches
from trainwell.training.timing import undisturbed
from trainwell.training.tracing import Watch, is_finite, largest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from trainwell.training.errors import NonFiniteLoss
    from trainwell.training.preparing import Loop

MOST_ROWS, MOST_NORMS, MOST_NAMES = 10, 10, 5
# A row whose largest number is so many times that of the usual row stands out; no more than this share of a batch can.
STANDS_OUT, SHARE_OF_BATCH = 1e3, 0.5
# Growth of the gradient norm over the last steps from which the rate is to blame.
NORMS_GROWN = 10.0


@dataclass(frozen=True)
class _Scene:
    """What the bad step worked on.

    Attributes:
        batch: Inputs, then target, as the step saw them.
        index: (B,) numbers of its rows within the split.
        trains: Whether it was a training step; else a batch of the validation.
    """

    batch: tuple[Tensor, ...]
    index: np.ndarray
    trains: bool

    def without(self, bad: Tensor) -> _Scene:
        """The same step without some rows: bad is (B,) bool."""
        kept = ~bad
        return _Scene(tuple(column[kept] for column in self.batch), self.index[kept.cpu().numpy()], self.trains)


def examine(loop: Loop, error: NonFiniteLoss) -> dict[str, Any]:
    """Make the bad step again on a copy of the network.

    Args:
        loop: The training, as it was when the bad number was read. Left as it is.
        error: What was seen.

    Returns:
        JSON: `step`, `what`, `grad_norms` (the last finite ones before it, oldest first), `split`; where the
        batch could be had again also `reproduced`, `layer` (name of the module, or loss), `tensor` (input, weight,
        activation, gradient, target or loss), `rows` (at most 10 numbers in the source) of `bad_rows` in
        `batch_rows`, `inputs_finite`, `target_finite`, `largest_input`, `largest_weight`, and `cause` (data,
        precision, learning_rate or unclear).
    """
    facts: dict[str, Any] = {
        "step": error.step,
        "what": error.what,
        "split": "validation" if error.what == "val_loss" else "train",
        "grad_norms": [float(f"{norm:.4g}") for norm in error.norms[-MOST_NORMS:]],
        "largest_weight": largest(loop.kept.live),
    }
    spoilt = [name for name, tensor in zip(loop.kept.names, loop.kept.live, strict=True) if not is_finite(tensor)]
    if spoilt:
        facts["weights_not_finite"] = spoilt[:MOST_NAMES]
    with loop.job.pulse.patient(), undisturbed(loop.setup.device):
        scene = _validation_scene(loop) if error.what == "val_loss" else _training_scene(loop, error)
        if scene is not None:
            facts |= _what_happens(loop, scene)
    facts["cause"] = facts.get("cause") or ("learning_rate" if _grew(error.norms) else "unclear")
    return facts


def _training_scene(loop: Loop, error: NonFiniteLoss) -> _Scene | None:
    """The batch of the bad step; None where it came from a stream that cannot be turned back."""
    batches = loop.batches
    if not isinstance(batches, Batches):
        return None
    before, number = divmod(error.step, batches.count)
    batch = next(iter(loop.made_batches(before + 1, number)))
    return _Scene(batch, batches.index(before + 1, number).numpy(), trains=True)


def _validation_scene(loop: Loop) -> _Scene | None:
    """The first batch of the validation whose loss is not finite."""
    rows = loop.validation
    module = copy.deepcopy(loop.module).eval()
    for first in range(0, rows.count, loop.validation_chunk):
        last = min(first + loop.validation_chunk, rows.count)
        *inputs, target = rows.part(first, last)
        with torch.no_grad():
            finite = is_finite(loop.task.tally(module(*inputs), target))
        if not finite:
            return _Scene((*inputs, target), rows.numbers(first, last), trains=False)
    return None


def _what_happens(loop: Loop, scene: _Scene) -> dict[str, Any]:
    """The step again, watched, and its cause."""
    watch = _watched(loop, scene)
    bad = _bad_rows(scene, watch)
    arrays = loop.job.train if scene.trains else loop.job.validation
    *inputs, target = scene.batch
    facts: dict[str, Any] = {
        "reproduced": watch.place is not None,
        "batch_rows": len(target),
        "inputs_finite": all(is_finite(each) for each in inputs),
        "target_finite": is_finite(target),
        "largest_input": largest(inputs),
    }
    if watch.place is not None:
        facts |= {"layer": watch.place.layer, "tensor": watch.place.tensor}
        facts["cause"] = _cause(loop, scene, bad, whole=facts["inputs_finite"] and facts["target_finite"])
    if bad is not None and int(bad.sum()) > 0:
        numbers = _source_numbers(arrays, scene.index[bad.cpu().numpy()])
        facts |= {"rows": numbers[:MOST_ROWS], "bad_rows": len(numbers)}
    return facts


def _watched(
    loop: Loop, scene: _Scene, *, full_precision: bool = False, weights: Sequence[Tensor] | None = None
) -> Watch:
    """Forward and, in training, backward on a copy of the network.

    Args:
        loop: The training.
        scene: What to work on.
        full_precision: Without half precision and its loss scale.
        weights: What the copy has instead of the weights at hand; in the order of `loop.kept.names`.
    """
    module = copy.deepcopy(loop.module).train(scene.trains)
    if weights is not None:
        with torch.no_grad():
            for mine, other in zip(module.state_dict().values(), weights, strict=True):
                mine.copy_(other)
    module.zero_grad(set_to_none=True)
    autocast = None if full_precision or not scene.trains else loop.stepper.autocast
    *inputs, target = scene.batch
    with Watch(module) as watch, torch.set_grad_enabled(scene.trains):
        with autocast or torch.autocast(target.device.type, enabled=False):
            output = module(*inputs)
            loss = loop.task.loss(output, target)
        watch.judge_loss(output, loss, target)
        if scene.trains and watch.place is None:
            scaled = loss if full_precision or loop.stepper.growth is None else loss * loop.stepper.scale
            scaled.backward()
            watch.judge_gradients()
    return watch


def _bad_rows(scene: _Scene, watch: Watch) -> Tensor | None:
    """Which rows are at fault, (B,) bool: those that are not numbers, else those that stand out, else bad outputs."""
    *inputs, target = scene.batch
    not_numbers = ~torch.stack([_finite_rows(column) for column in (*inputs, target)]).all(0)
    if bool(not_numbers.any()):
        return not_numbers
    out = torch.stack([_outstanding(column) for column in (*inputs, target)]).any(0)
    if bool(out.any()) and out.float().mean() <= SHARE_OF_BATCH:
        return out
    output = watch.output
    if output is None or output.ndim == 0 or len(output) != len(target):
        return None
    return ~_finite_rows(output)


def _finite_rows(column: Tensor) -> Tensor:
    """(B, ...) -> (B,) bool."""
    return torch.isfinite(column).reshape(len(column), -1).all(1)


def _outstanding(column: Tensor) -> Tensor:
    """Rows with a number far larger than those of the usual row: (B, ...) -> (B,) bool."""
    if not column.is_floating_point():
        return torch.zeros(len(column), dtype=torch.bool, device=column.device)
    sizes = column.detach().abs().reshape(len(column), -1).amax(1)
    return sizes > STANDS_OUT * sizes.median().clamp(min=1.0)


def _cause(loop: Loop, scene: _Scene, bad: Tensor | None, *, whole: bool) -> str | None:
    """What the step needs to be finite; None when nothing that was tried helps."""
    if not whole:
        return "data"
    if loop.stepper.autocast is not None and _watched(loop, scene, full_precision=True).place is None:
        return "precision"
    some = bad is not None and 0 < int(bad.sum()) < len(bad)
    if bad is not None and some and _watched(loop, scene.without(bad)).place is None:
        return "data"
    first = loop.kept.initial
    if first is not None and loop.step_at_hand() > 0 and _watched(loop, scene, weights=first).place is None:
        return "learning_rate"
    return None


def _grew(norms: Sequence[float]) -> bool:
    """Whether the gradients have grown from step to step until they broke."""
    some = [norm for norm in norms[-MOST_NORMS:] if math.isfinite(norm)]
    return len(some) > 1 and some[-1] > NORMS_GROWN * min(some)


def _source_numbers(arrays: Any, index: np.ndarray) -> list[int]:
    """Row numbers in the source where the split knows them, else within the split."""
    rows = getattr(arrays, "rows", None)
    return sorted(int(number) for number in (index if rows is None else rows[index]))
