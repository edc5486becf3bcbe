"""Checkpoints of a run: folders with a manifest of hashes, so that a torn or flipped one is never taken for good.

    step-00000123/  weights.safetensors  optimizer.safetensors  state.json  manifest.json
    best-00000100/  weights.safetensors  state.json  manifest.json

No PyTorch format notices a flipped bit, and safetensors loads a file with a zeroed tail; the manifest's sha256 does.
It is written last, before the folder gets its name. Damaged folders are renamed `*.corrupt`, never loaded and never
in the way of the next one. The portable single file that an agent saves is in `portable`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.store.atomic import place, remove, sweep, sync_folder, write_synced
from trainwell.training.files import damaged, deserialise, digest, dump, serialise
from trainwell.training.portable import export_file, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = [
    "Checkpoint",
    "clean",
    "export_file",
    "forget_after",
    "newest_good",
    "read_best",
    "read_checkpoint",
    "read_file",
    "read_last",
    "write_best",
    "write_step",
]

FORMAT = "trainwell.checkpoint/1"
KEPT_STEPS = 2
WEIGHTS, OPTIMIZER, STATE, MANIFEST = "weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"

FILES = frozenset({WEIGHTS, OPTIMIZER, STATE})


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds. `optimizer` is empty for best weights."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]


def write_step(folder: Path, step: int, checkpoint: Checkpoint, healthy: int | None = None) -> Path:
    """Write the state after a step and keep the newest two such folders, and one that is known to be sound.

    Args:
        folder: The run's folder of checkpoints; made when it is not there.
        step: Optimizer steps done.
        checkpoint: Its state must name its `best_step` (None when there is no best yet).
        healthy: The newest step that is known to be sound; the newest folder that is not after it is kept, too.

    Raises:
        OSError: When the disk is full or broken. Older checkpoints are then untouched.
    """
    path = _write_folder(folder, f"step-{step:08d}", checkpoint)
    steps = _folders(folder, "step")
    sound = [each for each in steps if healthy is not None and _step_of(each) <= healthy]
    kept = [each for each in steps if each in steps[:KEPT_STEPS] or each in sound[:1]]
    for old in steps:
        if old not in kept:
            remove(old)
    _forget_bests(folder, kept)
    return path


def write_best(folder: Path, step: int, weights: Mapping[str, Tensor], state: dict[str, Any]) -> Path:
    """Write the best weights so far. Older ones go when no kept step refers to them any more."""
    return _write_folder(folder, f"best-{step:08d}", Checkpoint(dict(weights), {}, state))


def newest_good(folder: Path, report: Callable[[str], None] | None = None, *, most: int | None = None) -> Path | None:
    """The newest step folder whose every hash is right, or None when no step was ever saved.

    Args:
        folder: The run's folder of checkpoints.
        report: Told in words of each damaged folder, which is renamed.
        most: The last step that is taken; any when None.

    Raises:
        TrainwellError: checkpoint_damaged, when there are checkpoints and none of them is good.
    """
    found = _newest(folder, "step", report, most)
    if found is None and any(folder.glob("step-*.corrupt*")):
        raise TrainwellError(
            "checkpoint_damaged",
            "Every checkpoint of this run is damaged, so it cannot go on from where it was.",
            hint="Start the run again from the beginning, and check the disk.",
        )
    return found


def read_best(folder: Path, report: Callable[[str], None] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The best weights of a run and their state (step, epoch, metrics).

    Raises:
        TrainwellError: no_checkpoint, or checkpoint_damaged.
    """
    checkpoint = read_checkpoint(_required(_newest(folder, "best", report), folder, "best"))
    return checkpoint.weights, checkpoint.state


def read_last(folder: Path, report: Callable[[str], None] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The newest weights of a run and their state.

    Raises:
        TrainwellError: no_checkpoint, or checkpoint_damaged.
    """
    checkpoint = read_checkpoint(_required(newest_good(folder, report), folder, "step"))
    return checkpoint.weights, checkpoint.state


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one folder, checking every hash.

    Raises:
        TrainwellError: checkpoint_damaged.
    """
    contents = _verified(path)
    return Checkpoint(
        weights=deserialise(contents[WEIGHTS], path / WEIGHTS),
        optimizer=deserialise(contents[OPTIMIZER], path / OPTIMIZER) if OPTIMIZER in contents else {},
        state=json.loads(contents[STATE]),
    )


def clean(folder: Path) -> None:
    """Make the folder if need be and remove what a killed writer left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)


def forget_after(folder: Path, step: int, best_step: int | None) -> None:
    """Remove what an attempt wrote after the state that the run goes back to: it belongs to another past.

    Args:
        folder: The run's folder of checkpoints.
        step: The step that the run goes on from; 0 is the beginning.
        best_step: The step of the best weights in that state, None when there were none.
    """
    for path in _folders(folder, "step"):
        if _step_of(path) > step:
            remove(path)
    for path in _folders(folder, "best"):
        if best_step is None or _step_of(path) > best_step:
            remove(path)


def go_back(folder: Path, most: int | None) -> tuple[int, int]:
    """Make the newest good state that is not after a step the newest one; without one the run begins anew.

    Args:
        folder: The run's folder of checkpoints.
        most: The step; None is the beginning.

    Returns:
        The step and the epoch that the run goes on from.
    """
    for path in _folders(folder, "step"):
        if most is None or _step_of(path) > most:
            continue
        try:
            state = json.loads(_verified(path)[STATE])
        except TrainwellError:
            continue
        forget_after(folder, state["step"], state["best_step"])
        return state["step"], state["epoch"]
    forget_after(folder, 0, None)
    return 0, 0


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def _write_folder(folder: Path, name: str, checkpoint: Checkpoint) -> Path:
    contents = {WEIGHTS: serialise(checkpoint.weights), STATE: dump(checkpoint.state)}
    if checkpoint.optimizer:
        contents[OPTIMIZER] = serialise(checkpoint.optimizer)
    files = {file: {"size": len(content), "sha256": digest(content)} for file, content in contents.items()}
    manifest = dump({"format": FORMAT, "files": files})

    def write(temporary: Path) -> None:
        remove(temporary)
        temporary.mkdir(parents=True)
        for file, content in contents.items():
            write_synced(temporary / file, content)
        write_synced(temporary / MANIFEST, manifest)
        sync_folder(temporary)

    path = folder / name
    place(path, write)
    return path


def _folders(folder: Path, kind: str) -> list[Path]:
    """Newest first."""
    return sorted((path for path in folder.glob(f"{kind}-????????*") if path.suffix == ""), reverse=True)


def _newest(folder: Path, kind: str, report: Callable[[str], None] | None, most: int | None = None) -> Path | None:
    for path in _folders(folder, kind):
        if most is not None and _step_of(path) > most:
            continue
        try:
            _verified(path)
        except TrainwellError as error:
            _quarantine(path)
            if report is not None:
                report(f"{path.name} was damaged and set aside: {error.message}")
        else:
            return path
    return None


def _verified(path: Path) -> dict[str, bytes]:
    """The contents of a folder's files, each with the right size and hash."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        contents = {name: (path / name).read_bytes() for name in FILES & manifest["files"].keys()}
        wrong = [
            name
            for name, content in contents.items()
            if manifest["files"][name] != {"size": len(content), "sha256": digest(content)}
        ]
        # Written again, a sound manifest is the same byte for byte.
        whole = dump({"format": FORMAT, "files": {name: manifest["files"][name] for name in contents}})
        if whole != (path / MANIFEST).read_bytes():
            wrong.append(MANIFEST)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, f"{type(error).__name__} while reading it") from error
    if wrong or not {WEIGHTS, STATE} <= contents.keys():
        raise damaged(path, f"{wrong[0] if wrong else 'the manifest'} does not have the contents that were written")
    return contents


def _quarantine(path: Path) -> None:
    number = 0
    while (target := path.with_name(f"{path.name}.corrupt" + (f"-{number}" if number else ""))).exists():
        number += 1
    path.rename(target)


def _required(path: Path | None, folder: Path, kind: str) -> Path:
    if path is not None:
        return path
    if any(folder.glob(f"{kind}-*.corrupt*")):
        raise TrainwellError(
            "checkpoint_damaged",
            f"Every {kind} checkpoint of this run is damaged.",
            hint="Train again, and check the disk.",
        )
    raise TrainwellError(
        "no_checkpoint",
        "This run has not saved any weights yet.",
        hint="Wait until its first epoch has ended.",
    )


def _forget_bests(folder: Path, steps: list[Path]) -> None:
    """Remove best weights that no kept step refers to; the newest always stays."""
    needed: set[str] = set()
    for step in steps:
        try:
            best = json.loads((step / STATE).read_bytes()).get("best_step")
        except (OSError, ValueError):
            return
        if best is not None:
            needed.add(f"best-{best:08d}")
    for old in _folders(folder, "best")[1:]:
        if old.name not in needed:
            remove(old)
