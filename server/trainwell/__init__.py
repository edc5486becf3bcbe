"""trainwell: the tool an LLM agent picks up when it has to train a neural network, and a Python program as well.

    import trainwell
    run = trainwell.train(model, train_loader, epochs=10, lr=1e-3, val_loader=val_loader)
    run.best, run.diagnose(), run.evaluate(test_loader), run.predict(x)

    watch = trainwell.watch(model, optimizer, loss=criterion)    # in a loop of your own
    watch.step(loss, batch), watch.epoch(val_loss=...), watch.findings()

Importing this loads no torch; the first use of one of these names does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from trainwell.python.run import Run, diagnose, evaluate, predict
    from trainwell.python.training import train
    from trainwell.python.watching import Watch, watch

__version__ = "0.1.0"
__all__ = ["Run", "TrainwellError", "Watch", "__version__", "diagnose", "evaluate", "predict", "train", "watch"]

_ROOMS = {
    "train": "training",
    "Run": "run",
    "diagnose": "run",
    "evaluate": "run",
    "predict": "run",
    "watch": "watching",
    "Watch": "watching",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        message = f"module 'trainwell' has no attribute {name!r}"
        raise AttributeError(message)
    return vars(import_module(f"trainwell.python.{_ROOMS[name]}"))[name]


def __dir__() -> list[str]:
    return sorted(__all__)
