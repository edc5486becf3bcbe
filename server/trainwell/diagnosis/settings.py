"""What is known of a run's settings: rates, batch, model and classes, and which of them is suspect by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwell.contract.trace import Trace

# Peak rates beyond which (below which) a rate is suspect by itself, by optimizer; None stands for an unknown one.
HIGH_LR: dict[str | None, float] = {"adamw": 0.03, "adam": 0.03, "sgd": 0.5, None: 0.1}
LOW_LR: dict[str | None, float] = {"adamw": 1e-4, "adam": 1e-4, "sgd": 1e-3, None: 1e-5}
# Weight decay from which it can hold the weights at zero, by optimizer (SGD and Adam add it to the gradient).
STRONG_DECAY: dict[str | None, float] = {"adamw": 0.5, "adam": 0.05, "sgd": 0.02, None: 0.1}
# Dropout from which most of a hidden layer is missing in each step.
STRONG_DROPOUT = 0.6
# A hidden layer narrower than this many units, or than half the classes, is a bottleneck.
NARROW_UNITS = 4
# Fewer optimizer steps than this teach little, whatever the rate.
FEW_UPDATES = 100
# Relative fall of the loss over the last three epochs from which a run was cut short.
STILL_FALLING = 0.05
# Share of the parameters of one plane for each class, below which a network is small.
SMALL_SHARE = 0.6
# Options that say how wide a network is, besides hidden_dims and channels.
WIDTHS = ("hidden_size", "width", "bottleneck")
MLP_OPTIONS = ("hidden_dims", "dropout", "batch_norm", "activation", "init")
# What a trace says of a model beside its options.
_NOT_OPTIONS = ("architecture", "parameters")
# More classes than this are nobody's.
MOST_CLASSES = 100_000


def number(facts: Mapping[str, Any], name: str) -> float | None:
    """A finite number among facts, or None when it is absent, not a number or not finite."""
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def planned_epochs(trace: Trace) -> int:
    """Epochs that were asked for; where that is not known, those that there were."""
    return int(number(trace.config, "epochs") or len(trace.epochs))


def learning_rate(trace: Trace) -> float | None:
    """Peak learning rate of the last attempt: what a retry set, else what was asked, else the highest recorded."""
    for attempt in reversed(trace.attempts):
        changed = number(attempt.changes, "lr")
        if changed is not None:
            return changed
    asked = number(trace.config, "lr")
    if asked is not None:
        return asked
    recorded = [record.lr for record in trace.epochs if record.lr is not None and math.isfinite(record.lr)]
    return max(recorded, default=None)


def optimizer(trace: Trace) -> str | None:
    """Name of the optimizer where its usual rates are known, else None."""
    name = trace.config.get("optimizer")
    return name if isinstance(name, str) and name in HIGH_LR else None


def lr_is_high(trace: Trace) -> bool:
    """Whether the peak rate alone is suspect for its optimizer."""
    lr = learning_rate(trace)
    return lr is not None and lr > HIGH_LR[optimizer(trace)]


def lr_is_low(trace: Trace) -> bool:
    """Whether the peak rate alone is too small to get anywhere with its optimizer."""
    lr = learning_rate(trace)
    return lr is not None and lr <= LOW_LR[optimizer(trace)]


def weighs_classes(trace: Trace) -> bool:
    """Whether the loss gives every class the same say."""
    return trace.config.get("class_weights") == "balanced"


def class_shares(trace: Trace) -> list[float]:
    """Share of each class; equal shares when only their number is known; empty when nothing is known."""
    counts = trace.data.get("class_counts")
    if isinstance(counts, dict):
        counts = list(counts.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(counts, list | tuple) and counts:
        rows = [number({"count": count}, "count") or 0.0 for count in counts]  # pyright: ignore[reportUnknownVariableType]
        total = sum(rows)
        if total > 0 and min(rows) >= 0:
            return [count / total for count in rows]
    classes = number(trace.data, "num_classes")
    return [1.0 / classes] * int(classes) if classes is not None and 2 <= classes <= MOST_CLASSES else []


def model_options(trace: Trace) -> dict[str, Any]:
    """The options that the model was built with, as far as they are known."""
    nested = trace.model.get("options")
    if isinstance(nested, dict):
        return dict(nested)  # pyright: ignore[reportUnknownArgumentType]
    if is_mlp(trace):
        return {name: trace.model[name] for name in MLP_OPTIONS if name in trace.model}
    return {name: value for name, value in trace.model.items() if name not in _NOT_OPTIONS}


def is_mlp(trace: Trace) -> bool:
    """Whether the model takes the options of an MLP; a stranger's model is treated as one, in words."""
    return trace.model.get("architecture", "mlp") == "mlp"


def hidden_dims(trace: Trace) -> list[int]:
    """Widths of the hidden layers, or an empty list when unknown."""
    dims = model_options(trace).get("hidden_dims")
    if not isinstance(dims, list | tuple):
        return []
    return [dim for dim in dims if isinstance(dim, int) and dim > 0]  # pyright: ignore[reportUnknownVariableType]


def widths(trace: Trace) -> list[int]:
    """How many numbers pass through each place of the network that has an option for it."""
    options = model_options(trace)
    single = [options[name] for name in WIDTHS if isinstance(options.get(name), int)]
    several = options.get("channels")
    channels: list[Any] = list(several) if isinstance(several, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
    return [*hidden_dims(trace), *single, *(width for width in channels if isinstance(width, int))]


def held_back_by(trace: Trace) -> str | None:
    """What in the settings keeps a network from fitting: `weight_decay`, `dropout`, `capacity`, or None."""
    decay = number(trace.config, "weight_decay")
    if decay is not None and decay >= STRONG_DECAY[optimizer(trace)]:
        return "weight_decay"
    dropout = number(model_options(trace), "dropout")
    if dropout is not None and dropout >= STRONG_DROPOUT:
        return "dropout"
    narrowest = min(widths(trace), default=None)
    # Labels need not be told apart from each other, as classes must.
    classes = 0 if trace.data.get("task") == "multilabel" else len(class_shares(trace))
    if narrowest is not None and narrowest < max(NARROW_UNITS, classes / 2):
        return "capacity"
    units = number(trace.facts, "narrowest")
    if units is not None and units < min(NARROW_UNITS, classes):
        return "capacity"
    return "capacity" if _is_smaller_than_a_plane(trace, classes) else None


def _is_smaller_than_a_plane(trace: Trace, classes: int) -> bool:
    """Whether the network has clearly fewer parameters than one plane for each class would have."""
    parameters: float | None = number(trace.model, "parameters")
    shapes: list[list[int]] = trace.data.get("inputs") or []
    if parameters is None or classes < 2 or len(shapes) != 1:
        return False
    return parameters < SMALL_SHARE * math.prod(shapes[0]) * classes
