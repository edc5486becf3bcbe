"""Looking at the steps of somebody's own loop through the hooks of its module and optimizer.

Nothing is changed: values are read, and what is measured waits on the device. A look begins with the forward pass of a
step and ends behind the optimizer's. Whatever goes wrong in a look ends the looking, never the training.
"""

# torch has no public name for its list operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trainwell.training.activations import Activations, spread
from trainwell.training.opening import MOST_NAMES, facts_of, opening_of
from trainwell.training.seeding import random_state
from trainwell.training.step import norms, together
from trainwell.training.watching import COST_SHARE, FIRST_STEPS, INTERVAL, Look, record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.hooks import RemovableHandle

    from trainwell.contract.trace import SignalRecord

# Steps after which gradients that stay are looked for; the first step has none before it.
KEPT_STEPS = (1, 4)


def peak_lr(optimizer: torch.optim.Optimizer) -> float:
    """The highest rate of its groups now."""
    return max(float(group["lr"]) for group in optimizer.param_groups)


@dataclass
class Looker:
    """Looks at some steps of a loop that is not ours.

    Attributes:
        model: Its forward is listened to.
        optimizer: Its steps are counted.
        loss: Name of the loss, where it is known.
        probe: Whether the network may be asked, before its first step, what it gives in evaluation mode.
        made: Optimizer steps so far.
        facts: As `Trace.facts`.
        notes: What could not be looked at.
        inputs: Of the last forward pass in training, until it is let go.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: str | None
    probe: bool = True
    made: int = 0
    at: int = 0
    interval: int = INTERVAL
    epoch: int = 1
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    inputs: tuple[Tensor, ...] = ()
    _handles: list[RemovableHandle] = field(default_factory=list["RemovableHandle"])
    _ear: ExitStack = field(default_factory=ExitStack)
    _heard: dict[str, Tensor] | None = None
    _before: list[Tensor] = field(default_factory=list[Tensor])
    _parts: list[Tensor] = field(default_factory=list[Tensor])
    _open: Look | None = None
    _waiting: list[Look] = field(default_factory=list[Look])
    _busy: bool = False
    _learns: bool = True
    _with_loss: set[int] = field(default_factory=set[int])
    _kept: Tensor | None = None
    _left_at: tuple[int, float] | None = None
    _began: float = 0.0

    def __post_init__(self) -> None:
        weights = {id(weight): name for name, weight in self.model.named_parameters()}
        held = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self._weights: list[Tensor] = [weight for weight in held if weight.requires_grad]
        self._names = [weights.get(id(weight), f"parameter {place}") for place, weight in enumerate(self._weights)]
        missing = {id(weight) for weight in held}
        learning = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        self.facts["not_optimised"] = [name for name, weight in learning if id(weight) not in missing][:MOST_NAMES]
        self.facts["maximises"] = any(group.get("maximize", False) for group in self.optimizer.param_groups)
        # A hook on the layers of a compiled network would compile it anew.
        compiled = isinstance(self.model, torch._dynamo.OptimizedModule)
        self._activations = None if compiled else Activations(self.model)
        self._listen()

    def _listen(self) -> None:
        guarded = self._guarded
        self._handles = [
            self.model.register_forward_pre_hook(guarded(self._forward_begins)),
            self.optimizer.register_step_pre_hook(guarded(self._step_begins)),
            self.optimizer.register_step_post_hook(guarded(self._step_ends)),
        ]
        if self._weights:
            smallest = min(self._weights, key=Tensor.numel)
            self._handles.append(smallest.register_hook(guarded(self._gradient_comes)))
            self._smallest = smallest

    def close(self) -> None:
        """Take all hooks away."""
        self._ear.close()
        for handle in self._handles:
            handle.remove()
        self._handles, self._before, self._heard, self.inputs = [], [], None, ()

    def _guarded(self, hook: Callable[..., None]) -> Callable[..., None]:
        """A hook that cannot end the training."""

        def call(*arguments: Any, **_: Any) -> None:
            if self._busy or not self._handles:
                return
            try:
                hook(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever a look runs into, the training goes on
                self.notes.append(f"Looking at steps ended at step {self.made} ({type(error).__name__}).")
                self.close()

        return call

    def _forward_begins(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not torch.is_grad_enabled():
            self.facts.setdefault("judges_in_train_mode", False)
            if self.model.training:
                self._judged_as_it_learns()
            return
        self.inputs = tuple(one for one in inputs if isinstance(one, Tensor))
        if not self.made and "loss0" not in self.facts and "output_shape" not in self.facts:
            self._meet()
        self._learns = self.model.training
        # Validation without no_grad is no step: unless steps are made in evaluation mode, it is not looked at.
        begins = self._learns or self.facts.get("learns_in_eval_mode", False)
        if begins and self.made == self.at and self._heard is None:
            self._heard = {}
            self._began = time.perf_counter()
            if self._activations is not None:
                self._ear.enter_context(self._activations.listening(self._heard))

    def _judged_as_it_learns(self) -> None:
        """Note a pass without gradients in training mode; of the first one, whether it draws random numbers."""
        self.facts["judges_in_train_mode"] = True
        if "judging_draws" in self.facts or not self._weights:
            return
        self.facts["judging_draws"] = False
        device = self._weights[0].device
        before = random_state(device)

        def ends(*_: Any) -> None:
            after = random_state(device)
            self.facts["judging_draws"] = any(not torch.equal(before[name], after[name]) for name in before)
            handle.remove()

        handle = self.model.register_forward_hook(self._guarded(ends))
        self._handles.append(handle)

    def _meet(self) -> None:
        """What the network shows before its first step."""
        if not self.probe or not self.inputs:
            return
        self._busy = True
        try:
            self.facts |= facts_of(self.model, self.loss, self.inputs)
        except Exception as error:  # noqa: BLE001 - a foreign module may raise anything
            self.facts["output_shape"] = None
            self.notes.append(f"The network was not looked at before its first step ({type(error).__name__}).")
        finally:
            self._busy = False

    def _gradient_comes(self, _gradient: Tensor) -> None:
        """Before a gradient is added: whether that of the step before still stands there."""
        before, self._kept = self._kept, None
        if before is not None and self._smallest.grad is not None and torch.equal(self._smallest.grad, before):
            self.facts["keeps_gradients"] = bool(before.any())

    def _step_begins(self, *_: Any) -> None:
        self._ear.close()
        if not self._learns:
            self.facts["learns_in_eval_mode"] = True
        if self._heard is None:
            return
        gradients = [weight.grad for weight in self._weights]
        if not self.made:
            missing = [name for name, gradient in zip(self._names, gradients, strict=True) if gradient is None]
            self.facts["no_gradient"] = missing[:MOST_NAMES]
        self._before = [weight.detach().clone() for weight in self._weights]
        zero = torch.zeros((), device=self._weights[0].device)
        sizes = [zero if one is None else torch.linalg.vector_norm(one.detach()).float() for one in gradients]
        self._parts = [torch.stack(sizes)]

    def _step_ends(self, *_: Any) -> None:
        self.made += 1
        if KEPT_STEPS[0] <= self.made < KEPT_STEPS[1] and self._weights and self._smallest.grad is not None:
            self._kept = self._smallest.grad.detach().clone()
        if self._heard is None or not self._before:
            return
        heard, self._heard = self._heard, None
        before, self._before = self._before, []
        sizes = norms(before)
        torch._foreach_sub_(before, [weight.detach() for weight in self._weights])
        parts = [*self._parts, sizes, norms(before), *(value for value in heard.values())]
        self._parts = []
        head = torch.stack([torch.full_like(together(sizes), torch.nan), together(parts[0]), torch.ones_like(sizes[0])])
        values = torch.cat([head, *(part.float() for part in parts)])
        self._open = Look(self.made - 1, self.epoch, peak_lr(self.optimizer), self._names, list(heard), values)
        self._waiting.append(self._open)
        self._looked(time.perf_counter())

    def _looked(self, ended: float) -> None:
        """Choose the next step to look at, later where looks are dear beside the steps between them (s)."""
        if self._left_at is not None and self.at >= FIRST_STEPS:
            step, since = self._left_at
            usual = (self._began - since) / max(1, self.at - step)
            while ended - self._began - usual > COST_SHARE * usual * self.interval:
                self.interval *= 2
        self._left_at = (self.made, ended)
        self.at = self.made if self.made < FIRST_STEPS else self.made - 1 + self.interval

    def note_loss(self, loss: Tensor) -> bool:
        """The loss of the step that was made last. Returns: whether it was looked at."""
        looked, self._open = self._open, None
        if looked is not None:
            looked.values[0] = loss.detach()
            self._with_loss.add(looked.step)
        return looked is not None

    def read(self) -> list[SignalRecord]:
        """The looks since the last time; the one wait for the device."""
        waiting, self._waiting = [look for look in self._waiting if look is not self._open], []
        if self._open is not None:
            self._waiting = [self._open]
        if not waiting:
            return []
        values = cast("list[float]", torch.cat([look.values for look in waiting]).tolist())
        matrices = [place for place, weight in enumerate(self._weights) if weight.ndim > 1]
        chosen = spread(matrices or list(range(len(self._weights))))
        records: list[SignalRecord] = []
        for look in waiting:
            mine, values = values[: look.values.numel()], values[look.values.numel() :]
            record = record_of(look, mine, chosen, scaled=False)
            # A look whose loss was never told has none: NaN would be a fault of the run.
            records.append(record if look.step in self._with_loss else replace(record, loss=None))
        if records[0].step == 0:
            opening = opening_of(records[0], self.facts.get("no_gradient", []))
            self.facts |= opening
        return records
