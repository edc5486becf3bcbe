"""Networks that read steps in order: what `rnn`, `lstm`, `gru` and `tcn` share around their own body.

Inputs become steps (B, T, D); the body gives a state for every step; the states are pooled to one of the row, padding
left out; a head answers. A forecast is made relative to the last known value of each series (NLinear, Zeng et al. 2023,
arXiv 2205.13504), with a linear map from the window to the horizon beside the network (LSTNet's autoregressive part,
Lai et al. 2018, arXiv 1703.07015), so that the network has only to learn what a line does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from trainwell.architectures._entry import embedded_width
from trainwell.architectures._init import OUTPUT_STD
from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Shapes, TensorSpec

Pooling = Literal["last", "mean", "max", "attention"]
ACCEPTS = frozenset({"features", "sequence", "tokens", "length"})
# Width of the state of each step to forecast, where known-future inputs are mixed in.
FUTURE_WIDTH = 32


@dataclass(frozen=True)
class Layout:
    """Which input plays which part.

    Attributes:
        main: Place of the input whose steps are read.
        beside: Places of inputs with as many steps, joined to it.
        future: Place of the known future of a forecast.
        length: Place of the real lengths.
        rest: Places of all other inputs, flattened and joined to the pooled state.
        steps: T.
        width: D, numbers of a step; for tokens the width of their embedding.
        targets: Series to forecast: the first so many numbers of a step are their past.
    """

    main: int
    beside: tuple[int, ...]
    future: int | None
    length: int | None
    rest: tuple[int, ...]
    steps: int
    width: int
    targets: int = 0


def layout(shapes: Shapes) -> Layout:
    """Tell the parts from the roles and shapes.

    Raises:
        TrainwellError: `no_inputs`, when there are no steps or nothing in them.
    """
    places = list(enumerate(shapes.inputs))
    ordered = [place for place, spec in places if spec.role in {"sequence", "tokens"}]
    main = next(iter(ordered or [place for place, spec in places if spec.role == "features"]), None)
    if main is None or any(0 in spec.shape for spec in shapes.inputs):
        raise TrainwellError(
            "no_inputs", "The prepared data has no steps, so there is nothing to learn from.", argument="data",
            hint="Prepare the data again with more columns.",
        )  # fmt: skip
    steps = _steps_of(shapes.inputs[main])
    forecasts = shapes.task == "forecasting"
    others = [place for place, spec in places if place != main and spec.role != "length"]
    future = next((place for place in others if forecasts and shapes.inputs[place].role == "sequence"), None)
    beside = tuple(
        place for place in others
        if place in ordered and place != future and _steps_of(shapes.inputs[place]) == steps
    )  # fmt: skip
    return Layout(
        main=main,
        beside=beside,
        future=future,
        length=next((place for place, spec in places if spec.role == "length"), None),
        rest=tuple(place for place in others if place != future and place not in beside),
        steps=steps,
        width=sum(_width_of(shapes.inputs[place]) for place in (main, *beside)),
        targets=(shapes.inputs[main].sizes or (0,))[0] if forecasts else 0,
    )


class StepNetwork(nn.Module):
    """Steps through a body to one answer a row.

    Args:
        shapes: Inputs and outputs.
        body: Maps (B, T, D) and lengths (B,) or None to states (B, T, W).
        width: W.
        pooling: How the states of a row become one.
        two_ways: Whether the second half of a state comes from reading backwards.
        dropout: On the pooled state.
        relative: Whether a forecast is made relative to the last known values, with a linear part beside.
    """

    def __init__(
        self, shapes: Shapes, body: nn.Module, width: int, *, pooling: Pooling, two_ways: bool = False,
        dropout: float = 0.0, relative: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layout = layout(shapes)
        parts = (self.layout.main, *self.layout.beside)
        self.embeddings = nn.ModuleDict({
            str(place): nn.Embedding(spec.sizes[0], embedded_width(spec.sizes[0]), padding_idx=0)
            for place, spec in enumerate(shapes.inputs)
            if place in parts and spec.role == "tokens"
        })  # fmt: skip
        self.body = body
        self.pool = Pool(pooling, width, two_ways=two_ways)
        self.dropout = nn.Dropout(dropout) if dropout else None
        width += sum(prod(shapes.inputs[place].shape) for place in self.layout.rest)
        self.relative = relative and self.layout.targets > 0
        width += self.layout.targets if self.relative else 0
        horizon = shapes.num_outputs // max(1, self.layout.targets)
        if self.layout.future is not None:
            self.head: nn.Module = FutureHead(width, shapes.inputs[self.layout.future].shape, shapes.num_outputs)
        else:
            self.head = _output(width, shapes.num_outputs)
        self.linear = _output(self.layout.steps, horizon) if self.relative else None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the inputs in their order to (B, outputs)."""
        x = self._steps(inputs)
        lengths = None if self.layout.length is None else inputs[self.layout.length]
        last = x[:, -1:, : self.layout.targets]
        if self.relative:
            x = torch.cat([x[..., : self.layout.targets] - last, x[..., self.layout.targets :]], dim=2)
        state = self.pool(self.body(x, lengths), lengths)
        if self.relative:
            state = torch.cat([state, last.flatten(1)], dim=1)
        if self.layout.rest:
            state = torch.cat([state, *(inputs[place].flatten(1).to(state.dtype) for place in self.layout.rest)], dim=1)
        if self.dropout is not None:
            state = self.dropout(state)
        answer = self.head(state) if self.layout.future is None else self.head(state, inputs[self.layout.future])
        if self.linear is None:
            return answer
        straight = self.linear(x[..., : self.layout.targets].transpose(1, 2)).transpose(1, 2)
        return answer + (straight + last).flatten(1)

    def _steps(self, inputs: Sequence[Tensor]) -> Tensor:
        """(B, T, D) float32 from the main input and those beside it."""
        parts = [self._part(place, inputs[place]) for place in (self.layout.main, *self.layout.beside)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def _part(self, place: int, x: Tensor) -> Tensor:
        if str(place) in self.embeddings:
            return self.embeddings[str(place)](x)
        x = x if x.is_floating_point() else x.float()
        return x.unsqueeze(2) if x.ndim == 2 else x.flatten(1, -2)


class Pool(nn.Module):
    """The states of a row as one, steps behind its end left out.

    `last` takes the state after the last step (and, read backwards, the one after the first); `attention` weighs the
    steps by a learnt score of their states.

    Args:
        how: See above.
        width: W.
        two_ways: Whether the second half of a state comes from reading backwards.
    """

    def __init__(self, how: Pooling, width: int, *, two_ways: bool) -> None:
        super().__init__()
        self.how = how
        self.two_ways = two_ways
        self.score = nn.Linear(width, 1) if how == "attention" else None

    def forward(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """Map (B, T, W) to (B, W)."""
        if self.how == "last":
            return self._last(states, lengths)
        known = None if lengths is None else known_steps(states, lengths)
        if self.how == "mean":
            return states.mean(1) if known is None or lengths is None else (states * known).sum(1) / lengths[:, None]
        if self.how == "max":
            return (states if known is None else states.masked_fill(~known, float("-inf"))).amax(1)
        assert self.score is not None  # noqa: S101 - made for attention
        scores = self.score(states)
        scores = scores if known is None else scores.masked_fill(~known, float("-inf"))
        return (states * scores.softmax(1)).sum(1)

    def _last(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            last = states[:, -1]
        else:
            # A sum over one step: gathering it has no deterministic gradient on a GPU.
            steps = torch.arange(states.shape[1], device=states.device)
            last = (states * (steps == lengths[:, None] - 1).unsqueeze(2)).sum(1)
        if not self.two_ways:
            return last
        half = states.shape[2] // 2
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=1)


class FutureHead(nn.Module):
    """Each step of the horizon from the state of the row and what is known of that step.

    Args:
        width: Numbers of the row's state.
        future: (H, F), shape of what is known.
        outputs: H times the number of series.
    """

    def __init__(self, width: int, future: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.horizon = future[0]
        self.state = nn.Linear(width, self.horizon * FUTURE_WIDTH)
        self.known = nn.Linear(future[1], FUTURE_WIDTH, bias=False)
        self.answer = _output(FUTURE_WIDTH, outputs // self.horizon)
        for layer in (self.state, self.known):
            if not layer.weight.is_meta:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if not self.state.bias.is_meta:
            nn.init.zeros_(self.state.bias)

    def forward(self, state: Tensor, future: Tensor) -> Tensor:
        """Map (B, width) and (B, H, F) to (B, outputs), row-major over steps and series."""
        steps = self.state(state).unflatten(1, (self.horizon, FUTURE_WIDTH)) + self.known(future)
        return self.answer(nn.functional.gelu(steps)).flatten(1)


def known_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, 1) bool: which steps of x (B, T, ...) are real."""
    return (torch.arange(x.shape[1], device=x.device) < lengths[:, None]).unsqueeze(2)


def step_notes(shapes: Shapes) -> str:
    """How many steps of how many numbers are read, in words."""
    plan = layout(shapes)
    return f"{plan.steps:,} steps of {plan.width:,} numbers"


def _output(width: int, outputs: int) -> nn.Linear:
    """The last layer: it starts small, so that the first loss is that of knowing nothing."""
    layer = nn.Linear(width, outputs)
    if not layer.weight.is_meta:
        nn.init.normal_(layer.weight, std=OUTPUT_STD / width**0.5)
        nn.init.zeros_(layer.bias)
    return layer


def _steps_of(spec: TensorSpec) -> int:
    return prod(spec.shape[:-1]) if len(spec.shape) > 1 else prod(spec.shape)


def _width_of(spec: TensorSpec) -> int:
    if spec.role == "tokens":
        return embedded_width(spec.sizes[0])
    return spec.shape[-1] if len(spec.shape) > 1 else 1
