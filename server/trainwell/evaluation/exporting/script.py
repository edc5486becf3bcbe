"""A program in plain torch that trains the same network on the same rows: nothing of trainwell is imported.

The network's classes, the loss, the schedule and the rest are copied from here with all that they use; the prepared
arrays are read where they lie. It is checked in a process of its own: the network that it builds must take the trained
weights by name and give the same outputs.
"""

from __future__ import annotations

import json
import pprint
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TrainConfig
from trainwell.contract.text import plain
from trainwell.evaluation.exporting.bundle import Bundle
from trainwell.evaluation.exporting.expressions import written_out
from trainwell.training.batches import batch_sizes, choose_batch_size
from trainwell.training.preparing import make_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainwell.evaluation.exporting import Array, Trained

#: Families whose code or weights lie outside of trainwell.
ELSEWHERE = frozenset({"module", "pretrained"})
_HERE = "trainwell.evaluation.exporting.plain"
CHECK_SECONDS = 600
# Annotations are not followed, but most of what they name comes from here.
FOR_READERS = ("from torch import Tensor", "from typing import Any")
# Reads the script without training, loads weights into its network, and puts rows through it.
_CHECK = """
import runpy, sys
import numpy as np, torch
torch.set_num_threads(1)
script, given, found = sys.argv[1:]
network = runpy.run_path(script)["build_network"]().eval()
arrays = np.load(given, allow_pickle=False)
network.load_state_dict({name[2:]: torch.from_numpy(arrays[name]) for name in arrays.files if name[:2] == "w."})
batches = {}
for name in (name for name in arrays.files if name[:2] == "x."):
    batches.setdefault(name.split(".")[1], []).append(torch.from_numpy(arrays[name]))
with torch.no_grad():
    np.savez(found, **{name: network(*inputs).numpy() for name, inputs in batches.items()})
assert not any(name.split(".")[0] == "trainwell" for name in sys.modules)
"""
_SHAPES = '''
@dataclass(frozen=True)
class Input:
    """One input of the network, without its rows."""

    name: str
    shape: tuple
    dtype: str
    role: str
    sizes: tuple = ()
    mean: tuple = ()
    std: tuple = ()
    knots: tuple = ()


@dataclass(frozen=True)
class Shapes:
    """What the network must fit."""

    inputs: tuple
    num_outputs: int
    task: str
    rows: int | None = None

    def of_role(self, *roles):
        """The inputs that play one of these roles."""
        return tuple(one for one in self.inputs if one.role in roles)
'''


def write(trained: Trained, rows: Sequence[Array], path: Path) -> None:
    """Put the program together.

    Raises:
        TrainwellError: `not_exportable`.
    """
    del rows
    path.write_text(program(trained), encoding="utf-8")


def run(path: Path, trained: Trained, batches: Sequence[Sequence[Array]]) -> list[Array]:
    """Let another process build the program's network, give it the trained weights, and run it."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        arrays = {f"w.{name}": tensor.cpu().numpy() for name, tensor in trained.module.state_dict().items()}
        arrays |= {f"x.{number}.{place}": array for number, batch in enumerate(batches)
                   for place, array in enumerate(batch)}  # fmt: skip
        np.savez(given, **arrays)
        command = [sys.executable, "-I", "-c", _CHECK, str(path), str(given), str(found)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
        if done.returncode:
            raise TrainwellError(
                "not_exportable", "The program that was written does not give this network.", argument="format",
                got=plain((done.stderr.strip().splitlines() or ["no word"])[-1], 200), allowed=["safetensors"],
            )  # fmt: skip
        with np.load(found, allow_pickle=False) as read:
            return [cast("NDArray[Any]", read[str(number)]) for number in range(len(batches))]


def program(trained: Trained) -> str:
    """The text of the program.

    Raises:
        TrainwellError: `not_exportable`, where the network's code or weights come from elsewhere.
    """
    name, config = trained.model.architecture, TrainConfig.model_validate(trained.card["config"])
    if name in ELSEWHERE:
        raise TrainwellError(
            "not_exportable", f"The code of a {name} network is not ours to write out.", argument="format", got=name,
            allowed=["safetensors", "torch_export", "onnx"],
        )  # fmt: skip
    bundle = Bundle()
    bundle.imports |= {"from dataclasses import dataclass", "from types import SimpleNamespace", *FOR_READERS}
    build = _network(bundle, trained)
    main = bundle.add(_HERE, "main")
    change = f"{bundle.add('trainwell.training.augment', 'make')}(CONFIG, CONFIG)" if config.augment else "None"
    settings, words = settings_of(trained, config)
    parts = [
        _head(trained, words),
        "from __future__ import annotations\n\n" + bundle.text(),
        _SHAPES.strip(),
        _constants(trained, settings),
        build,
        f'if __name__ == "__main__":\n    {main}(build_network, CONFIG, {change})',
    ]
    return "\n\n\n".join(parts) + "\n"


def notes(trained: Trained) -> list[str]:
    """What the program does otherwise than the run did."""
    return settings_of(trained, TrainConfig.model_validate(trained.card["config"]))[1]


def settings_of(trained: Trained, config: TrainConfig) -> tuple[dict[str, Any], list[str]]:
    """The settings that the program trains by, and what stands in for what it cannot say."""
    told = config.model_dump()
    size, _ = choose_batch_size(trained.data.splits["train"], config.batch_size, trained.module)
    told |= {"batch_size": size, "scheduler": make_schedule(config, len(batch_sizes(1, 1))).name}
    words: list[str] = []
    if config.optimizer not in {"adamw", "sgd"}:
        words.append(f"{config.optimizer} is no optimizer of this program: AdamW stands in, so expect other numbers.")
        told |= {"optimizer": "adamw"}
        if config.optimizer == "schedule_free":
            told |= {"lr": config.lr / 2, "scheduler": "onecycle", "warmup": None}
    if config.swa:
        words.append("swa is left out: the weights of the last epochs are not averaged, the rate comes down instead.")
    if config.precision not in {"auto", "fp32"}:
        words.append(f"precision {config.precision} is left out: it computes in fp32.")
    if any(spec.role == "length" for spec in trained.data.inputs):
        words.append("Rows are not sorted into batches by their length: batches differ, and it is slower.")
    if trained.card.get("start_from"):
        words.append("The run began with the weights of a checkpoint; this program begins with fresh ones.")
    if config.max_minutes is not None:
        words.append("max_minutes is left out: it trains all its epochs.")
    return told, words


def _network(bundle: Bundle, trained: Trained) -> str:
    """Take in what builds the network. Returns: the function that does."""
    head = 'def build_network():\n    """The network with fresh weights from torch\'s random state."""\n'
    if trained.model.architecture == "layers":
        return head + written_out(bundle, trained.module, str(trained.model.options.get("init", "auto")))
    build = bundle.add(f"trainwell.architectures.{trained.model.architecture}", "build")
    return f"{head}    return {build}(OPTIONS, SHAPES)"


def _constants(trained: Trained, settings: dict[str, Any]) -> str:
    """Options, shapes and settings as literals."""
    model, data = trained.model, trained.data
    kind = architectures.config_class(model.architecture)
    options = kind.model_validate_json(json.dumps(model.options), strict=True).model_dump()
    inputs = ",\n".join(
        f"    Input({spec.name!r}, {spec.shape!r}, {spec.dtype!r}, {spec.role!r}, {spec.sizes!r}, {spec.mean!r}, "
        f"{spec.std!r}, {spec.knots!r})" for spec in data.inputs
    )  # fmt: skip
    known = {
        "title": f"{plain(data.name)}: {model.architecture}", "folder": trained.folder,
        "task": data.task, "classes": data.classes, "num_outputs": data.num_outputs, "target_std": data.target_std,
        **settings,
    }  # fmt: skip
    lines = [f"INPUTS = (\n{inputs},\n)"]
    if model.architecture != "layers":
        lines.append(f"OPTIONS = {_namespace(options)}")
        rows = model.shapes.rows
        lines.append(f"SHAPES = Shapes(INPUTS, {data.num_outputs}, {data.task!r}, {rows!r})")
    lines.append(f"CONFIG = {_namespace(known, 'inputs=INPUTS')}")
    return "\n".join(lines)


def _namespace(values: dict[str, Any], *first: str) -> str:
    """Values by name, as Python has them."""
    lines = [
        *first,
        *(f"{name}={pprint.pformat(value, sort_dicts=False, width=100)}" for name, value in values.items()),
    ]
    return "SimpleNamespace(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _head(trained: Trained, words: list[str]) -> str:
    """The docstring: what it is, what it needs, how it differs."""
    data, card = trained.data, trained.card
    measured = ", ".join(f"{name} {value:.5g}" for name, value in card["metrics"].items() if value is not None)
    differs = "".join(f"\n- {word}" for word in words) or " nothing that is known."
    text = (
        f"{plain(data.name)}: {trained.model.architecture}, trained as {card['run']} was by trainwell, without it.\n\n"
        "Needs torch and numpy. Run it as `python FILE [--data FOLDER] [--out weights.npz]`; its last line is JSON.\n"
        "The folder holds the prepared arrays, `<split>_<input>.npy` and `<split>_target.npy`, and in meta.json how\n"
        f"raw rows became them.\n\nThe run measured: {measured}.\nWhat this program does otherwise:{differs}\n"
    )
    safe = text.replace("\\", "/").replace('"""', "'''")
    return f'"""{safe}"""'
