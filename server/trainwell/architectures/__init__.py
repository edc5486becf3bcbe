"""What can learn: one file a family of networks, found by being here.

A family's file has a module docstring (what to expect of it, where it comes from) and

- `ACCEPTS`: the roles of inputs that it can take (see `TensorSpec`);
- `class Config(Spec)`: its options with limits, defaults and descriptions;
- `settle(config, shapes)`: the config with no choice left open, and what was chosen in words;
- `build(config, shapes)`: the module from a settled config. `forward(*inputs)` takes the inputs in their order and
  gives (B, K) logits, or (B, values) for what is measured;
- `recipe(config, shapes)`, where the general way of training is not the best for it: a `Recipe`;
- `ON_META = False`, where its modules cannot be built on the meta device.

Letters in shapes: B rows of a batch, T time, C channels, H and W height and width, F features, K outputs.
Importing this package loads no torch; asking it for a family does.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import ValidationError

from trainwell.architectures._options import refusal
from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from trainwell.contract.specs import Role, Shapes, Spec

AUTO = "auto"
_NOT_FAMILIES = {"check"}
# What `auto` takes, by the role of the first input; tables of not too many columns get `tabular`.
_CHOICE: dict[Role, str] = {"features": "mlp", "image": "cnn", "sequence": "gru", "tokens": "bag"}
# With more inputs than these, mostly of categories, several members take long for little.
_TABLE_INPUTS = 512


class Family(Protocol):
    """What a family's file offers."""

    Config: type[Spec]
    ACCEPTS: frozenset[Role]

    def settle(self, config: Any, shapes: Shapes) -> tuple[Spec, list[str]]:
        """Close every open choice, and say what was chosen."""
        ...

    def build(self, config: Any, shapes: Shapes) -> nn.Module:
        """Make the module from a settled config."""
        ...


def names() -> list[str]:
    """The families that are here, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in _NOT_FAMILIES)


def config_class(name: str) -> type[Spec]:
    """The class of a family's options.

    Raises:
        TrainwellError: `unknown_architecture`.
    """
    return _family(name).Config


def accepts(name: str) -> frozenset[Role]:
    """The roles of inputs that a family can take.

    Raises:
        TrainwellError: `unknown_architecture`.
    """
    return _family(name).ACCEPTS


def choose(name: str, shapes: Shapes) -> str:
    """The family that is meant: `auto` takes the one that fits the inputs.

    Raises:
        TrainwellError: `unknown_architecture`; `architecture_does_not_fit` when it cannot take these inputs.
    """
    if name == AUTO:
        return _automatic(shapes)
    roles = {spec.role for spec in shapes.inputs}
    if not roles <= accepts(name):
        fitting = [family for family in names() if roles <= accepts(family)]
        raise TrainwellError(
            "architecture_does_not_fit",
            f"{name} cannot take {' and '.join(sorted(roles - accepts(name)))} inputs.",
            argument="architecture",
            got=name,
            allowed=[AUTO, *fitting],
        )
    return name


def recipe(name: str, options: Mapping[str, Any], shapes: Shapes) -> Recipe:
    """How this family is trained best; fields that it leaves to the general rule are None."""
    family = _family(name)
    wanted = getattr(family, "recipe", None)
    return Recipe() if wanted is None else wanted(_checked(name, options), shapes)


def on_meta(name: str) -> bool:
    """Whether the family's modules can be built and run on the meta device, where nothing is allocated."""
    return getattr(_family(name), "ON_META", True)


def settle(name: str, options: Mapping[str, Any], shapes: Shapes) -> tuple[dict[str, Any], list[str]]:
    """Options checked and completed for these shapes, and what was chosen automatically, in words.

    Raises:
        TrainwellError: The architecture, an option or a layer cannot be used; `argument` is its path among
            `build_model`'s arguments.
    """
    config, notes = _family(name).settle(_checked(name, options), shapes)
    return config.model_dump(mode="json"), notes


def resolve(name: str, options: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Options as `settle` completes them, fit to be stored; resolving them again changes nothing."""
    return settle(name, options, shapes)[0]


def build(name: str, options: Mapping[str, Any], shapes: Shapes) -> nn.Module:
    """A module with fresh weights from torch's current random state and on its current device.

    Raises:
        TrainwellError: As in `settle`.
    """
    family = _family(name)
    config, _ = family.settle(_checked(name, options), shapes)
    return family.build(config, shapes)


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each family's options, by name, without pydantic's titles."""
    return {name: _untitled(config_class(name).model_json_schema()) for name in names()}


def _automatic(shapes: Shapes) -> str:
    if shapes.task == "reconstruction":
        return "autoencoder"
    roles = {spec.role for spec in shapes.inputs}
    inputs = sum(prod(spec.shape) for spec in shapes.inputs)
    if roles <= {"features", "categories"} and inputs <= _TABLE_INPUTS:
        return "tabular"
    return _CHOICE.get(shapes.inputs[0].role, "mlp")


def _family(name: str) -> Family:
    known = names()
    if name not in known:
        raise TrainwellError(
            "unknown_architecture",
            "There is no architecture of this name.",
            argument="architecture",
            got=name,
            allowed=known,
            hint=did_you_mean(name, known),
        )
    return cast("Family", importlib.import_module(f"{__name__}.{name}"))


def _checked(name: str, options: Mapping[str, Any]) -> Spec:
    config = config_class(name)
    try:
        text = json.dumps(dict(options), default=repr)
    except RecursionError:
        raise TrainwellError("nested_too_deep", "The options are nested too deep.", argument="options") from None
    try:
        return config.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise refusal(error, config) from None


def _untitled(schema: Any, *, names_of_fields: bool = False) -> Any:
    if isinstance(schema, dict):
        items = cast("dict[str, Any]", schema).items()
        return {
            key: _untitled(value, names_of_fields=key in {"properties", "$defs"} and not names_of_fields)
            for key, value in items
            if names_of_fields or key != "title"
        }
    if isinstance(schema, list):
        return [_untitled(item) for item in cast("list[Any]", schema)]
    return schema
