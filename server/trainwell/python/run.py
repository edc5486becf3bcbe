"""A run as a Python program holds it, and what can be asked of it."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell.contract.text import rounded
from trainwell.diagnosis import diagnose as judge
from trainwell.evaluation.evaluate import evaluate as evaluate_rows
from trainwell.evaluation.outputs import outputs
from trainwell.python.describing import tensors_as_task
from trainwell.python.loading import as_arrays, check_loader, read_all
from trainwell.runs.story import trace_of
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor, nn
    from torch.utils.data import DataLoader

    from trainwell.contract.findings import Finding
    from trainwell.contract.specs import PreparedData
    from trainwell.contract.trace import EpochRecord


@dataclass(frozen=True)
class Run:
    """A training that `trainwell.train` has ended.

    Attributes:
        handle: Its name in the workspace: for `trainwell.diagnose`, for `resume=`, and for the tools.
        state: completed, or stopped (by Ctrl-C, by stop_run, or by a finding).
        reason: Why it ended: completed, early_stopping, time_limit, interrupted, ...
        best: The validation metrics of the best epoch, with `epoch`.
        model: The network that was given, with the best weights, in evaluation mode.
        data: What is known of the rows: task, classes, shapes.
        score_name: Which of the metrics chose the best epoch.
        decisions: What was decided automatically, in sentences.
        workspace: The folder that holds the record.
    """

    handle: str
    state: str
    reason: str
    best: dict[str, float]
    model: nn.Module
    data: PreparedData
    score_name: str
    decisions: tuple[str, ...] = ()
    workspace: Path = field(default_factory=Path)

    def __repr__(self) -> str:
        score = rounded(self.best.get(self.score_name))
        return f"Run({self.handle}: {self.state}, best {self.score_name} {score} at epoch {self.best['epoch']:g})"

    @property
    def history(self) -> list[EpochRecord]:
        """The epochs, as they were measured."""
        with _store(self.workspace) as store:
            return store.history.epochs(self.handle)

    @property
    def folder(self) -> Path:
        """The run's folder: log.txt, checkpoints/, report/curves.png."""
        return Workspace.open(self.workspace).run_dir(self.handle)

    @property
    def checkpoint(self) -> Path:
        """The file with the best weights, safetensors by the names of the module's `state_dict`."""
        return sorted((self.folder / "checkpoints").glob("best-????????"))[-1] / "weights.safetensors"

    def diagnose(self) -> list[Finding]:
        """What the rules see in the recorded numbers, the most important first."""
        return diagnose(self)

    def evaluate(self, loader: DataLoader[Any]) -> dict[str, Any]:
        """Metrics with 95 % intervals on the loader's rows, beside a baseline; see `trainwell.evaluate`."""
        return evaluate(self, loader)

    def predict(self, *inputs: Tensor) -> Tensor:
        """What the network says of some rows; see `trainwell.predict`."""
        return predict(self, *inputs)


def diagnose(run: Run | str, *, workspace: str | Path | None = None) -> list[Finding]:
    """Ask the rules what is wrong with a run.

    Args:
        run: What `trainwell.train` gave, or the handle (a unique beginning, or `latest`) of any run of the workspace.
        workspace: Where a run that is given by its handle is kept; default as for `trainwell.train`.

    Returns:
        Findings, the most important first: symptom, cause, evidence, fixes. Empty when nothing is wrong.

    Raises:
        TrainwellError: `unknown_handle`, `ambiguous_handle`.
    """
    folder = run.workspace if isinstance(run, Run) else workspace
    with _store(folder) as store:
        handle = run.handle if isinstance(run, Run) else store.find("run", run, "run")
        return judge(trace_of(store, handle))


def evaluate(run: Run, loader: DataLoader[Any]) -> dict[str, Any]:
    """Judge a run's best weights on rows that they have not seen.

    Args:
        run: What `trainwell.train` gave.
        loader: The rows, in batches of the form that was trained on.

    Returns:
        `metrics` with 95 % intervals, `baseline` on the same rows, `worst` rows (numbered in the order in which the
        loader gives them), `notes`, and scores by class or label: as the tool `evaluate` has them.

    Raises:
        TrainwellError: `wrong_type`, `empty_loader`, `unsupported_batch`, `wrong_input_shape`, `no_labelled_rows`.
    """
    check_loader(loader, "loader")
    tensors = tuple(torch.from_numpy(column) for column in read_all(loader, "loader"))
    columns = tuple(tensor.numpy() for tensor in tensors_as_task(tensors, run.data.task))
    with flat_outputs(run.model):
        return evaluate_rows(run.model, run.data, as_arrays(columns), split="test")


def predict(run: Run, *inputs: Tensor) -> Tensor:
    """Predict rows with a run's best weights.

    Args:
        run: What `trainwell.train` gave.
        inputs: The network's inputs, each (B, ...).

    Returns:
        Class numbers (B,) int64; for multilabel which labels apply, (B, K) bool; else values, shaped as the targets.
    """
    with flat_outputs(run.model):
        raw = np.concatenate(list(outputs(run.model, [each.detach().cpu().numpy() for each in inputs])))
    if run.data.task == "classification":
        return torch.from_numpy(raw.argmax(axis=1))
    if run.data.task == "multilabel":
        return torch.from_numpy(raw > 0)
    return torch.from_numpy(raw.reshape(len(raw), *run.data.target_shape).astype(np.float32))


@contextmanager
def flat_outputs(model: nn.Module) -> Generator[None]:
    """Within it the network gives (B, values) whatever the shape of its outputs is."""

    def flatten(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output.flatten(1) if output.ndim > 1 else output.unsqueeze(1)

    hook = model.register_forward_hook(flatten)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _store(folder: str | Path | None) -> Generator[Store]:
    store = Store.open(Workspace.open(None if folder is None else Path(folder)))
    try:
        yield store
    finally:
        store.database.close()
