"""A training before it is a job of one of the doors: what a twin is drawn as, and what a slip changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from tests.corpus import networks
from tests.corpus.cases import Job, Loop, Program
from tests.corpus.drawn.sources import CUTS, WRITERS, Subset, copied
from tests.corpus.second.networks import Change, Steps, as_is, dense, flat, pixels
from tests.corpus.second.sources import LEARNT, tensors
from tests.corpus.sources import Array, Spoil, shuffled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus.cases import Rows

CELLS: dict[str, type[nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class Net:
    """A network of a program or of a loop.

    Attributes:
        widths: Of hidden layers; the first is the size of a memory.
        change: Made to what was built.
        around: What is put around it.
        outputs: Instead of as many as fit.
    """

    widths: tuple[int, ...] = (64, 32)
    activation: type[nn.Module] = nn.ReLU
    dropout: float = 0.0
    norm: bool = False
    change: Change = as_is
    around: Callable[[nn.Module], nn.Module] = lambda body: body
    outputs: int | None = None


@dataclass(frozen=True)
class Plan:
    """A training.

    Attributes:
        door: `tools`, `python` or `loop`.
        parted: Whether validation rows are handed over apart.
        train: Settings by the names of the door.
        options: Of a family, by tools.
        prepare: Arguments of `prepare_data`.
        spoils: Of training rows, and of all others; both are the same where nothing is handed over apart.
        copies: Share of the other rows that are training rows.
        rows: Arguments of `tensors`.
        fields: Of the program or of the loop.
    """

    door: str
    data: Subset
    family: str
    parted: bool
    train: Mapping[str, Any]
    net: Net = field(default_factory=Net)
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prepare: Mapping[str, Any] = field(default_factory=dict[str, Any])
    spoils: tuple[tuple[Spoil, ...], tuple[Spoil, ...]] = ((), ())
    copies: float = 0.0
    rows: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metric: str = "score"

    @property
    def is_sgd(self) -> bool:
        return self.train.get("optimizer") == "sgd"

    def spoiled(self, *both: Spoil, train: Sequence[Spoil] = (), others: Sequence[Spoil] = ()) -> Plan:
        """With something done to the rows."""
        return replace(self, spoils=((*both, *train), (*both, *others)))

    def trained(self, **settings: Any) -> Plan:
        """With other settings."""
        return replace(self, train={**self.train, **settings})

    def built(self, **changes: Any) -> Plan:
        """With another network."""
        return replace(self, net=replace(self.net, **changes))

    def job(self) -> Job | Program | Loop:
        """The training as its door takes it."""
        return {"tools": _by_tools, "python": _by_python, "loop": _by_loop}[self.door](self)

    def tensors(self) -> Callable[[], Rows]:
        """Rows of a program or of a loop."""
        (train, others), loop = self.spoils, self.door == "loop"

        def known(name: str) -> tuple[Array, Array]:
            x, y = self.data.scaled()
            return copied(x, y, int(LEARNT * len(x)), self.copies)

        asked = {"scaled": False, "raw_target": True, "column": loop and self.data.is_quantity, **self.rows}
        return tensors(self.data.name, train=train, others=others, known=known, **asked)


def _by_tools(plan: Plan) -> Job:
    def write(root: Path) -> dict[str, Any]:
        ending, write_to, asked = WRITERS[plan.data.kind]
        x, y = plan.data.arrays()
        cuts = [int(share * len(x)) for share in CUTS]
        x, y = copied(x, y, cuts[0], plan.copies)
        ends = [0, *cuts, len(x)] if plan.parted else [0, len(x)]
        for place, name in enumerate(("data", "validation", "test")[: len(ends) - 1]):
            own = x[ends[place] : ends[place + 1]], y[ends[place] : ends[place + 1]]
            write_to(root / f"{name}.{ending}", *_spoilt(*own, plan.spoils[min(place, 1)]))
        apart = {f"{name}_source": f"{name}.{ending}" for name in ("validation", "test") if plan.parted}
        return {"source": f"data.{ending}", "target": "target", **asked, **apart}

    return Job(write, plan.data.kind, plan.family, plan.options, train=plan.train, prepare=plan.prepare,
               metric=plan.metric)  # fmt: skip


def _spoilt(x: Array, y: Array, spoils: Sequence[Spoil]) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    for spoil in spoils:
        x, y = spoil(x.copy(), y.copy(), random)
    return x, y


def _by_python(plan: Plan) -> Program:
    made = flat(_network(plan)) if plan.data.is_quantity or plan.net.outputs == 1 else _network(plan)
    program = Program(plan.tensors(), plan.data.kind, plan.family, made, shuffled, plan.train, plan.metric)
    return replace(program, **plan.fields)


def _by_loop(plan: Plan) -> Loop:
    loss = "MSELoss" if plan.data.is_quantity else "CrossEntropyLoss"
    loop = Loop(plan.tensors(), plan.data.kind, _network(plan), loss, plan.train, metric=plan.metric)
    return replace(loop, **plan.fields)


def _network(plan: Plan) -> Callable[[], nn.Module]:
    net = plan.net

    def made() -> nn.Module:
        body = _body(plan, plan.tensors()()[0].shape)
        net.change(body)
        return net.around(body)

    return made


def _body(plan: Plan, shape: Sequence[int]) -> nn.Module:
    net = plan.net
    outputs = net.outputs or (1 if plan.data.is_quantity else plan.data.classes)
    if plan.data.kind == "image":
        return pixels(shape[1], outputs, norm=net.norm)()
    if plan.data.kind == "tabular":
        return dense(shape[1], outputs, net.widths, net.activation, dropout=net.dropout)()
    cell = CELLS[plan.family]
    if shape[2] == 2:
        return Steps(cell, net.widths[0], outputs)
    return networks.Recurrent(cell, net.widths[0])
