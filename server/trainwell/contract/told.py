"""Prepared data in words: what goes in, what is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData, TensorSpec


def describe_input(spec: TensorSpec) -> str:
    """One input of a network in a few words: `images 3 x 32 x 32`, `32 steps of 2 channels`, `12 numbers`."""
    size = " x ".join(map(str, spec.shape))
    first, last = (spec.shape[0], spec.shape[-1]) if spec.shape else (1, 1)
    return {
        "features": f"{first} numbers" if len(spec.shape) == 1 else f"{size or 'one'} numbers",
        "categories": f"{first} categories",
        "image": f"images {size}",
        "sequence": f"{first} steps of {last} channel{'' if last == 1 else 's'}",
        "tokens": f"{first} tokens of {spec.sizes[0] if spec.sizes else '?'}",
        "length": "their real length",
    }[spec.role]


def describe_target(prepared: PreparedData) -> str:
    """What is learnt: `classification of "kind" (3 classes)`."""
    target, classes = quoted(prepared.target), len(prepared.classes)
    if prepared.task == "forecasting":
        horizon, count = prepared.target_shape
        names = ", ".join(quoted(column.name, 30) for column in prepared.target_columns[:3]) or target
        more = f" and {count - 3} more" if count > 3 else ""
        return f"forecasting of the next {horizon} values of {names}{more}"
    if prepared.task == "reconstruction":
        return "reconstruction of the inputs"
    if prepared.task == "multilabel":
        return f"multilabel ({classes} labels)"
    return f"{prepared.task} of {target} ({f'{classes} classes' if classes else 'a number'})"
