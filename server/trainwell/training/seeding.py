"""Everything random comes from here: a few words name a stream, and the same words always give the same numbers."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import hashlib
import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

# cuBLAS is only deterministic with a fixed workspace, and reads this when it is first used.
_CUBLAS_WORKSPACE = ":4096:8"


def derive(seed: int, *words: str | int) -> int:
    """The seed of one stream of random numbers, in [0, 2**63).

    Streams of different words are independent, so the order of rows does not change when a layer draws one number
    more, and epoch 7 needs nothing of epoch 6.
    """
    text = "/".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def permutation(rows: int, seed: int, epoch: int) -> Tensor:
    """The order of the training rows in one epoch: (rows,) int64, on the CPU, the same on every device."""
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(rows, generator=generator)


def seed_everything(seed: int) -> None:
    """Seed torch (all devices), numpy and Python. To be called before a network is built."""
    torch.manual_seed(derive(seed, "weights"))
    np.random.seed(derive(seed, "numpy") % 2**32)
    random.seed(derive(seed, "python"))


def seed_epoch(seed: int, epoch: int) -> None:
    """Start the noise of one epoch (dropout and the like): a pure function of (seed, epoch)."""
    torch.manual_seed(derive(seed, "noise", epoch))


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators, as tensors that a checkpoint can hold."""
    state = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["random.cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `random_state` gave. A state of another kind of device is left out."""
    torch.set_rng_state(state["random.cpu"])
    if device.type == "cuda" and "random.cuda" in state:
        torch.cuda.set_rng_state(state["random.cuda"], device)


@contextmanager
def deterministic(enabled: bool) -> Generator[None]:
    """Within it, torch uses algorithms only that give the same bits each time, or raises RuntimeError.

    Disabled it changes nothing.
    """
    if not enabled:
        yield
        return
    # The type stubs do not know this module's one setting.
    filling: Any = torch.utils.deterministic
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    was = torch.are_deterministic_algorithms_enabled()
    was_filling = filling.fill_uninitialized_memory
    was_searching = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    filling.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)
        filling.fill_uninitialized_memory = was_filling
        torch.backends.cudnn.benchmark = was_searching
