"""What a kind of fault is: a slip that people make, of a strength by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from tests.corpus.drawn.plans import Plan

Slip = Callable[[Plan, np.random.Generator], Plan]
Fits = Callable[[Plan], bool]
ALL = ("tools", "python", "loop")


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        causes: Codes that name the cause rightly.
        fits: What a twin must be.
        mends: Doors whose arguments can mend it.
        always: It counts though its score is as good as its twin's: it flatters, or it only wastes.
        metric: What its harm is measured by.
    """

    name: str
    group: str
    causes: tuple[str, ...]
    slip: Slip
    fits: tuple[Fits, ...]
    mends: tuple[str, ...]
    always: bool
    metric: str

    def takes(self, twin: Plan) -> bool:
        """Whether somebody can make this slip in that training."""
        return all(fits(twin) for fits in self.fits)


class Kinds:
    """The table of a group: each function below `add` is a row."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.rows: dict[str, Kind] = {}

    def add(
        self, causes: str, *fits: Fits, mends: tuple[str, ...] = (), always: bool = False, metric: str = "score"
    ) -> Callable[[Slip], Slip]:
        """Add the function that makes the slip, by its name."""

        def added(slip: Slip) -> Slip:
            name = slip.__name__.replace("_", " ")
            self.rows[name] = Kind(name, self.group, tuple(causes.split()), slip, fits, mends, always, metric)
            return slip

        return added


# What a twin may be.


def by_tools(twin: Plan) -> bool:
    return twin.door == "tools"


def by_python(twin: Plan) -> bool:
    return twin.door == "python"


def by_loop(twin: Plan) -> bool:
    return twin.door == "loop"


def own_code(twin: Plan) -> bool:
    return twin.door != "tools"


def reports_recall(twin: Plan) -> bool:
    return twin.door != "loop"


def parted(twin: Plan) -> bool:
    return twin.parted


def whole(twin: Plan) -> bool:
    return not twin.parted


def classes(twin: Plan) -> bool:
    return not twin.data.is_quantity


def several(twin: Plan) -> bool:
    return classes(twin) and twin.data.classes > 2


def quantity(twin: Plan) -> bool:
    return twin.data.is_quantity


def table(twin: Plan) -> bool:
    return twin.data.kind == "tabular"


def pictures(twin: Plan) -> bool:
    return twin.data.kind == "image"


def text(twin: Plan) -> bool:
    return twin.data.kind == "text"


def numbers(twin: Plan) -> bool:
    return twin.data.kind != "text"


def by_sgd(twin: Plan) -> bool:
    return twin.is_sgd


def by_adam(twin: Plan) -> bool:
    return not twin.is_sgd


def dense(twin: Plan) -> bool:
    """A network of somebody's own out of hidden layers that are fully connected."""
    return own_code(twin) and table(twin)


def deep(twin: Plan) -> bool:
    return dense(twin) and len(twin.net.widths) >= 3


def with_relu(twin: Plan) -> bool:
    return (dense(twin) and twin.net.activation is nn.ReLU) or (own_code(twin) and pictures(twin))


def with_tanh(twin: Plan) -> bool:
    return dense(twin) and twin.net.activation is nn.Tanh


def with_modes(twin: Plan) -> bool:
    """Dropout or batch norm, which know whether it is training."""
    return (dense(twin) and twin.net.dropout >= 0.3) or (own_code(twin) and pictures(twin) and twin.net.norm)


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(random.uniform(float(np.log(low)), float(np.log(high)))))
