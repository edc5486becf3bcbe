"""The portable checkpoint: one safetensors file that holds weights and, as JSON, all that is needed to use them.

Its metadata carry a sha256 over the card and every tensor. Files that could run code when they are read (pickles, as
`torch.save` writes them) are recognised by their content and refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.errors import TrainwellError
from trainwell.store.atomic import place, write_synced
from trainwell.training.files import damaged, deserialise, dump, serialise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

FORMAT = "trainwell.weights/1"
_ZIP, _PICKLES = b"PK\x03\x04", tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
# A safetensors file starts with the length of its JSON header (8 bytes) and the header.
_LENGTH_BYTES = 8


def export_file(path: Path, weights: Mapping[str, Tensor], card: dict[str, Any]) -> str:
    """Write a portable checkpoint; it appears whole or not at all.

    Args:
        path: Where to; replaced when it is there.
        weights: By name; buffers included.
        card: JSON: the model's spec, the data's encoding, metrics, whatever a reader needs.

    Returns:
        The sha256 over card and tensors.

    Raises:
        OSError: When the disk is full or broken.
        ValueError: When the card holds a NaN.
    """
    text = dump(card).decode()
    sha256 = _hash(text, weights)
    content = serialise(weights, {"format": FORMAT, "card": text, "sha256": sha256})
    place(path, lambda temporary: write_synced(temporary, content))
    return sha256


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a portable checkpoint.

    Returns:
        The weights on the CPU, and the card.

    Raises:
        TrainwellError: not_a_checkpoint, pickle_refused, or checkpoint_damaged.
    """
    content = path.read_bytes()
    header = _header(content, path)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict):
        raise _foreign(path, "it is a safetensors file without a card")
    metadata = cast("dict[str, str]", metadata)
    if metadata.get("format") != FORMAT:
        raise _foreign(path, "it is a safetensors file, but not one that save_checkpoint wrote")
    weights = deserialise(content, path)
    if _hash(metadata.get("card", ""), weights) != metadata.get("sha256"):
        raise damaged(path, "its contents are not those that were written")
    return weights, json.loads(metadata["card"])


def hash_of(weights: Mapping[str, Tensor]) -> str:
    """sha256 of weights alone: the same for the same names, types, shapes and bits."""
    return _hash("", weights)


def _header(content: bytes, path: Path) -> dict[str, Any]:
    if content[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        raise _not_safetensors(content, path)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if len(content) < _LENGTH_BYTES + length:
        raise damaged(path, "it is cut off")
    try:
        header: Any = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except ValueError as error:
        raise damaged(path, "its header cannot be read") from error
    if not isinstance(header, dict):
        raise damaged(path, "its header is not as it was written")
    return cast("dict[str, Any]", header)


def _not_safetensors(content: bytes, path: Path) -> TrainwellError:
    if content.startswith((_ZIP, *_PICKLES)):
        return TrainwellError(
            "pickle_refused",
            f"{path.name} is a pickle (as torch.save writes it), and reading one can run any code.",
            argument="path",
            allowed="a .safetensors file that save_checkpoint wrote",
        )
    return _foreign(path, "its first bytes are not those of a safetensors file" if content else "it is empty")


def _foreign(path: Path, why: str) -> TrainwellError:
    return TrainwellError(
        "not_a_checkpoint",
        f"{path.name} is not a checkpoint of trainwell: {why}.",
        argument="path",
        allowed="a .safetensors file that save_checkpoint wrote",
    )


def _hash(card: str, weights: Mapping[str, Tensor]) -> str:
    """sha256 over the card and each tensor's name, type, shape and bytes, in the order of names."""
    total = hashlib.sha256(card.encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        total.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(serialise({"": tensor}))
    return total.hexdigest()
