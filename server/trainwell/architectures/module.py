"""A person's own `nn.Module`: a class in a Python file of the workspace. Off unless started with `--allow-code`.

What to expect of it is what its author made of it; everything around it (training, checkpoints, retries, diagnosis)
is the same as for any other family. The file runs in worker processes only. Its content is part of the model: once it
has been changed, models, runs and checkpoints made with it are refused (`module_changed`) until it is as it was, and
`build_model` makes a new model of the changed file. It stands alone: it may import what is installed, not its
neighbours.

The class is called with `arguments` by name. Its `forward` is given the inputs of the prepared data in their order
(images as uint8, tokens as integers, a length where there is one) and gives (B, num_outputs): logits, or values on the
scale of the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from trainwell.architectures import _foreign
from trainwell.architectures._arguments import fitted
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Shapes, Spec
from trainwell.store.workspace import workspace_at_work

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

ACCEPTS = frozenset({"features", "categories", "image", "sequence", "tokens", "length"})
# Foreign code may do in its constructor what the meta device cannot follow.
ON_META = False


class Config(Spec):
    """Options of `module`."""

    module: str = Field(min_length=1, max_length=4096, description="path/to/file.py:ClassName, in the workspace")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Arguments of the class, by name")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Of the file, as it was when the model was built"
    )


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Run the file, find the class and hold the arguments against its signature."""
    path, own, digest = _class(config)
    fitted(own, config.arguments, needed(shapes))
    shown = f"{workspace_at_work().shown(path)}:{own.__name__}"
    notes = [f"{shown} runs as it is now (sha256 {digest[:12]}); after a change build the model again."]
    return config.model_copy(update={"module": shown, "sha256": digest}), notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network with its arguments."""
    path, own, _ = _class(config)
    arguments = fitted(own, config.arguments, needed(shapes))
    with _foreign.told_apart(path, f"{own.__name__}(...)"):
        return _foreign.Foreign(own(**arguments), path)


def needed(shapes: Shapes) -> str:
    """What a network must fit, in a sentence."""
    given = ", ".join(f"{one.name} {_batch(one.shape)} {one.dtype}" for one in shapes.inputs)
    return f"forward is given {given} and must give {_batch((shapes.num_outputs,))}."


def _batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['B', *map(str, shape)])})"


def _class(config: Config) -> tuple[Path, type[nn.Module], str]:
    workspace = workspace_at_work()
    workspace.require("code", "module", config.module)
    file, _, name = config.module.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise TrainwellError(
            "bad_module", "module names a file and a class in it.", argument="module", got=config.module,
            allowed="path/to/file.py:ClassName",
        )  # fmt: skip
    path = workspace.resolve_read(file, "module")
    content, digest = _foreign.read(path)
    if config.sha256 not in {None, digest}:
        raise TrainwellError(
            "module_changed",
            f"{path.name} is not what it was when this model was built, so its weights may mean something else now.",
            argument="module",
            got=digest[:12],
            allowed=(config.sha256 or "")[:12],
            hint="Bring the file back to what it was, or build the model again and train it.",
            next_call=next_call("build_model", data="latest", module=config.module, options=config.arguments),
        )
    return path, _foreign.network_class(_foreign.load(path, content, digest), name, path), digest
