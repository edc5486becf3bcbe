"""Lines of Python that are refused: what their exception says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwell
from tests.contracts.refusals.front import Front, Refusal, program
from tests.python.models import loader, rows, simple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def refusals(root: Path) -> Iterator[Refusal]:
    """Of `train`, `watch` and `evaluate`; `model` has 10 inputs and 2 outputs, `loader` 400 rows for it."""
    names: dict[str, Any] = {"trainwell": trainwell, "loader": loader(), "here": root, **_odd()}
    yield from (program(line, names) for line in _lines())
    names["run"] = trainwell.train(simple(), loader(), workspace=root, verbose=False, epochs=1)
    yield from (program(line, names) for line in _later_lines())
    with Front(root) as front:
        data = front.call("prepare_data", source="digits")["data"]
        names["theirs"] = front.train(data, epochs=1)
    yield program("trainwell.train(model, loader, resume=theirs, workspace=here)", names)


def _odd() -> dict[str, Any]:
    """Things that cannot be trained, or learnt from."""
    frozen = simple()
    frozen.requires_grad_(requires_grad=False)
    x, y = rows()
    model = simple()
    words = [{"text": "a good day"}] * 8
    return {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "frozen": frozen,
        "no_rows": DataLoader(TensorDataset(x[:0], y[:0])),
        "words": DataLoader(words, batch_size=4, collate_fn=list),
        "three_classes": DataLoader(TensorDataset(x, y + 1), batch_size=32),
        "scalar": nn.Sequential(simple(), _Sum()),
        "other_rows": loader(seed=1),
        "wider": DataLoader(TensorDataset(torch.randn(40, 12), y[:40]), batch_size=32),
        "wide": nn.Sequential(nn.Linear(10, 7), nn.Linear(7, 2)),
    }


class _Sum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


def _lines() -> Iterator[str]:
    yield "trainwell.train(dict(), loader, workspace=here)"
    yield "trainwell.train(frozen, loader, workspace=here)"
    yield "trainwell.train(model, no_rows, workspace=here)"
    yield "trainwell.train(model, words, val_loader=words, workspace=here)"
    yield "trainwell.train(model, three_classes, workspace=here)"
    yield "trainwell.train(scalar, loader, workspace=here)"
    yield "trainwell.train(model, loader, workspace=here, task='clasification')"
    yield "trainwell.train(model, loader, workspace=here, task='multilabel')"
    yield "trainwell.train(model, loader, workspace=here, checkpoint='latest')"
    yield "trainwell.train(model, loader, workspace=here, lr=7)"
    yield "trainwell.watch(model, optimizer, loss='cross_entropi')"


def _later_lines() -> Iterator[str]:
    yield "trainwell.train(model, loader, workspace=here, resume=run.handle, epochs=7)"
    yield "trainwell.train(model, other_rows, workspace=here, resume=run.handle)"
    yield "trainwell.train(wide, loader, workspace=here, resume=run.handle)"
    yield "trainwell.evaluate(run, wider)"
