"""Tensors and JSON as the bytes of a file, and back."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def serialise(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as safetensors bytes; those that share memory (tied weights) are written out one by one."""
    seen: set[int] = set()
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        address = copy.untyped_storage().data_ptr()
        packed[name] = copy.clone() if address in seen or copy.untyped_storage().nbytes() != copy.nbytes else copy
        seen.add(address)
    return save(packed, metadata)


def deserialise(content: bytes, path: Path) -> dict[str, Tensor]:
    """Tensors from safetensors bytes.

    Raises:
        TrainwellError: checkpoint_damaged.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> TrainwellError:
    """The error for a file that was once good."""
    return TrainwellError(
        "checkpoint_damaged",
        f"{path.name} is damaged: {why}",
        argument="path",
        hint="Use another checkpoint of the run, or train again.",
    )


def digest(content: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(content).hexdigest()


def dump(value: Any) -> bytes:
    """JSON bytes with sorted keys; a NaN is refused."""
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()
