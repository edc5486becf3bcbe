"""torch.compile, with the plain network to fall back on."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


def compiled(module: nn.Module, log: Callable[[str], None]) -> Callable[..., Tensor]:
    """A forward pass through the compiler; where the compiler fails, the plain one takes over for good.

    Args:
        module: Its weights stay where they are and may be trained, saved and judged as before.
        log: Told when the compiler failed.
    """
    forward: Callable[..., Any] = torch.compile(module, dynamic=False)

    def call(*inputs: Tensor) -> Tensor:
        nonlocal forward
        if forward is module:
            return module(*inputs)
        try:
            return forward(*inputs)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a compiler fails in many ways, and the plain network is no worse
            log(f"compile off: the compiler failed ({type(error).__name__})")
            forward = module
            return module(*inputs)

    return call
