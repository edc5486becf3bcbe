"""What a search varies: the space where none was given, and a run with values out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TUNABLE, Range, RunSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

# The rate is looked for this many times below and above the usual one.
LR_SPAN = 5.0
WEIGHT_DECAYS = (1e-4, 0.3)
SMOOTHINGS = (0.0, 0.1)
DROPOUTS = (0.0, 0.5)
# Layers as the family would have them, so many times as wide.
WIDTHS = (0.5, 1.0, 2.0)


def resolve(asked: Mapping[str, Any] | None, spec: RunSpec) -> dict[str, Range]:
    """The space of a search, every end and choice of which a training could have.

    Args:
        asked: A `Range` by name, as JSON; None takes what is worth trying for this network.
        spec: The run as it would be without a search.

    Raises:
        TrainwellError: An option of the architecture cannot be used; `argument` says which.
    """
    space = _usual(spec) if asked is None else {name: Range.model_validate(one) for name, one in asked.items()}
    for name, one in space.items():
        for value in one.ends:
            try:
                applied(spec, {name: value})
            except TrainwellError as error:
                error.argument = f"space/{name}"
                raise
    return space


def applied(spec: RunSpec, values: Mapping[str, Any]) -> RunSpec:
    """The run with these values; the model's handle and report stay those of the run.

    Raises:
        TrainwellError: As in `architectures.settle`.
    """
    config = {name: value for name, value in values.items() if name in TUNABLE}
    chosen = {name: value for name, value in values.items() if name not in TUNABLE}
    model = spec.model
    if chosen:
        shapes = model.shapes.model_copy(update={"rows": spec.data.splits["train"], "task": spec.data.task})
        options = architectures.resolve(model.architecture, {**model.options, **chosen}, shapes)
        model = model.model_copy(update={"options": options})
    return spec.model_copy(update={"model": model, "config": spec.config.model_copy(update=config)})


def usual_values(spec: RunSpec, space: Mapping[str, Range]) -> dict[str, Any] | None:
    """The values that the run would have without a search, None where the space does not hold them."""
    own: dict[str, Any] = {**spec.model.options, **spec.config.model_dump(mode="json")}
    values = {name: own.get(name) for name in space}
    return values if all(_holds(space[name], value) for name, value in values.items()) else None


def _holds(one: Range, value: Any) -> bool:
    if one.choices:
        return value in one.choices
    return isinstance(value, int | float) and one.low is not None and one.high is not None and (
        one.low <= value <= one.high
    )  # fmt: skip


def _usual(spec: RunSpec) -> dict[str, Range]:
    """The rate, the decay, smoothed classes, and of the options dropout and widths."""
    low, high = spec.limits.get("lr", (0.0, 1.0))
    lr = spec.config.lr
    space = {
        "lr": Range(low=max(low, lr / LR_SPAN), high=min(high, lr * LR_SPAN), log=True),
        "weight_decay": Range(low=WEIGHT_DECAYS[0], high=WEIGHT_DECAYS[1], log=True),
    }
    if spec.data.task == "classification":
        space["label_smoothing"] = Range(choices=SMOOTHINGS)
    options = spec.model.options
    if isinstance(options.get("dropout"), float):
        space["dropout"] = Range(low=DROPOUTS[0], high=DROPOUTS[1])
    if widths := options.get("hidden_dims"):
        space["hidden_dims"] = Range(
            choices=tuple([max(4, round(times * width)) for width in widths] for times in WIDTHS)
        )
    return space
