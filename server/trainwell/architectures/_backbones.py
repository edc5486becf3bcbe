"""Pretrained backbones: what a folder holds, and the module that its config describes.

Only configs of the types below are used, and only weights in safetensors: nothing in a folder is run or unpickled.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from trainwell.contract.errors import TrainwellError, extra_missing, next_call
from trainwell.contract.text import plain, quoted
from trainwell.store import hub
from trainwell.store.workspace import workspace_at_work

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "model.safetensors"
LARGEST_CONFIG_BYTES = 1_000_000
_DOWNLOADED = (
    "config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json",
    "preprocessor_config.json",
)  # fmt: skip
# What would name code to run, or a file elsewhere.
_DROPPED = {"auto_map", "_name_or_path", "name_or_path", "custom_pipelines", "trust_remote_code", "attn_implementation"}


@dataclass(frozen=True)
class Kind:
    """What must be known of one type of backbone.

    Attributes:
        role: The role of the input that it takes.
        layers: The path of the list of its layers, bottom first.
        attention: Names of the linear layers of its attention that LoRA changes.
    """

    role: str
    layers: str
    attention: tuple[str, ...]


_BERT = Kind("tokens", "encoder.layer", ("query", "value"))
KINDS: dict[str, Kind] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "distilbert": Kind("tokens", "transformer.layer", ("q_lin", "v_lin")),
    "mpnet": Kind("tokens", "encoder.layer", ("q", "v")),
    "modernbert": Kind("tokens", "layers", ("Wqkv",)),
    "vit": Kind("image", "layers", ("q_proj", "v_proj")),
    "resnet": Kind("image", "encoder.stages", ()),
}


@dataclass(frozen=True)
class Found:
    """A folder of a backbone: its config, the SHA-256 of its weights, and how its makers pool and normalise."""

    folder: Path
    config: dict[str, Any]
    sha256: str
    pooling: str | None
    image: dict[str, Any]


def find(source: str) -> Found:
    """Look into a folder of the workspace, or what was downloaded from the hub.

    Raises:
        TrainwellError: `backbone_not_found`, `backbone_not_supported`, `pickle_refused`, or what `resolve_read` and
            `hub.snapshot` raise.
    """
    folder = locate(source)
    config = _read_json(folder / "config.json")
    if not config:
        raise TrainwellError(
            "backbone_not_found", "This folder holds no config.json of a pretrained network.", argument="pretrained",
            got=source, allowed=f"a folder with config.json and {WEIGHTS}",
        )  # fmt: skip
    config = {key: value for key, value in config.items() if key not in _DROPPED}
    _kind_of(config)
    if not (folder / WEIGHTS).is_file():
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt*"))
        raise TrainwellError(
            "pickle_refused" if pickled else "backbone_not_found",
            f"This folder holds no {WEIGHTS}" + ("; its weights are pickles, which can run code." if pickled else "."),
            argument="pretrained", got=source, hint="Save it with save_pretrained of the library transformers.",
        )  # fmt: skip
    pooled = _read_json(folder / "1_Pooling" / "config.json")
    pooling = None if not pooled else "cls" if pooled.get("pooling_mode_cls_token") else "mean"
    seen = _read_json(folder / "preprocessor_config.json")
    image = {key: seen[key] for key in ("image_mean", "image_std", "size") if key in seen}
    return Found(folder, config, _sha256(folder / WEIGHTS), pooling, image)


def locate(source: str) -> Path:
    """The folder that is meant: one of the workspace, else a repository of the hub.

    Raises:
        TrainwellError: As `find`.
    """
    workspace = workspace_at_work()
    if source.startswith(hub.SCHEME):
        return hub.snapshot(workspace, source, "model", _DOWNLOADED, "pretrained")
    try:
        folder = workspace.resolve_read(source, "pretrained", folder=True)
    except TrainwellError as error:
        if error.code != "file_not_found" or not hub.is_name(source):
            raise
        return hub.snapshot(workspace, source, "model", _DOWNLOADED, "pretrained")
    if not folder.is_dir():
        raise TrainwellError(
            "backbone_not_found", "This is a file.", argument="pretrained", got=source, allowed="a folder"
        )
    return folder


def kind_of(config: dict[str, Any]) -> Kind:
    """What is known of the backbone of a config.

    Raises:
        TrainwellError: `backbone_not_supported`.
    """
    return _kind_of(config)


def make(config: dict[str, Any]) -> nn.Module:
    """The backbone of a config, with fresh weights, on torch's current device.

    Its pooler is left out. Buffers that it would not save become part of its state, so that a checkpoint is enough to
    build it again on the meta device.

    Raises:
        TrainwellError: `extra_missing`, `backbone_not_supported`.
    """
    _kind_of(config)
    try:
        from transformers import AutoConfig, AutoModel  # noqa: PLC0415 - an extra; it takes seconds
    except ImportError as error:
        raise missing("transformers") from error
    try:
        known = AutoConfig.for_model(**config)
        module: nn.Module = AutoModel.from_config(known, trust_remote_code=False)
    except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise TrainwellError(
            "backbone_not_supported", f"The library transformers cannot build this: {plain(str(error), 200)}",
            argument="pretrained",
        ) from error  # fmt: skip
    return _tidied(module, config)


def load(source: str, config: dict[str, Any], sha256: str | None) -> nn.Module:
    """The backbone of a config with the weights of a folder; in all else as `make` gives it.

    Raises:
        TrainwellError: `backbone_changed`, `backbone_damaged`, or as `find`.
    """
    found = find(source)
    if sha256 is not None and found.sha256 != sha256:
        raise TrainwellError(
            "backbone_changed", "The weights in this folder are not those that the model was built with.",
            argument="pretrained", got=source, hint="Bring them back, or build the model again.",
            next_call=next_call("build_model", data="latest", pretrained=source),
        )  # fmt: skip
    try:
        from transformers import AutoModel  # noqa: PLC0415 - an extra; it takes seconds
        from transformers.utils import logging  # noqa: PLC0415 - an extra; it takes seconds
    except ImportError as error:
        raise missing("transformers") from error
    logging.disable_progress_bar()
    try:
        # It knows how names of weights changed over the years.
        loaded, told = AutoModel.from_pretrained(
            found.folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise _damaged(source, plain(str(error), 200)) from error
    lost = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))
    if lost:
        raise _damaged(source, f"it lacks {quoted(lost[0])}")
    module = _tidied(loaded, config)
    with torch.device("meta"):
        wanted = make(config).state_dict()
    if {name: x.shape for name, x in module.state_dict().items()} != {name: x.shape for name, x in wanted.items()}:
        raise _damaged(source, "its shapes are not those of the config that the model was built with")
    return module


def layers_of(module: nn.Module, config: dict[str, Any]) -> tuple[str, int]:
    """The prefix of the names of the layers' parameters, and how many layers there are."""
    path = _kind_of(config).layers
    return path, len(list(module.get_submodule(path).children()))


def missing(library: str) -> TrainwellError:
    """The refusal where the extra is not installed."""
    return extra_missing(library, "pretrained", "pretrained")


def _tidied(module: nn.Module, config: dict[str, Any]) -> nn.Module:
    """Without a pooler, and with all its buffers in its state."""
    if _kind_of(config).role == "tokens" and isinstance(getattr(module, "pooler", None), nn.Module):
        module.pooler = None  # pyright: ignore[reportArgumentType]
    for part in module.modules():
        for name, buffer in list(part.named_buffers(recurse=False)):
            part.register_buffer(name, buffer, persistent=True)
    return module


def _damaged(source: str, why: str) -> TrainwellError:
    return TrainwellError(
        "backbone_damaged",
        f"{WEIGHTS} cannot be used: {why}.",
        argument="pretrained",
        got=source,
        hint="Download it again, or save it again with save_pretrained of the library transformers.",
    )


def _kind_of(config: dict[str, Any]) -> Kind:
    kind = KINDS.get(str(config.get("model_type")))
    if kind is None:
        raise TrainwellError(
            "backbone_not_supported", "This type of pretrained network is not known here.", argument="pretrained",
            got=plain(str(config.get("model_type"))), allowed=sorted(KINDS),
        )  # fmt: skip
    return kind


def _read_json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST_CONFIG_BYTES:
            return {}
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
