"""A pretrained backbone with a new head: as it is, thawed by stages, wholly trained, or with LoRA adapters.

The first choice for texts where a backbone is at hand: what it learnt from millions of texts needs no repeating. As it
is (`learn: head`) it is run over each row once, and only the head learns. MiniLM (22 million weights) with a head
reached 0.697, 0.749 and 0.789 on 60, 140 and 300 docstrings of three parts of scipy, where a bag of tokens from scratch
reached 0.525, 0.638 and 0.737 (test accuracy, means over 3 draws); with 1,095 the bag has 0.85. The other ways to
learn, and their rates, were checked to work but not compared on real data.

A checkpoint holds the backbone whole, and its config; so what was trained needs neither the folder nor the hub again.

Sources: frozen features and discriminative rates: Howard and Ruder 2018 (arXiv 1801.06146); LoRA: Hu et al. 2021
(arXiv 2106.09685), by the library peft; backbones by the library transformers.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from trainwell.architectures import _backbones as backbones
from trainwell.architectures._attention import masked_mean
from trainwell.architectures._memory import FeatureMemory
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Recipe, Shapes, Spec

ACCEPTS = frozenset({"tokens", "length", "image"})

OUTPUT_STD = 0.1
_MEAN, _STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_SIDE = 224


# The folder that a source means; a name on the hub is downloaded.
locate = backbones.locate


class Config(Spec):
    """Options of `pretrained`."""

    source: str | None = Field(
        default=None, description="Folder of the backbone in the workspace, or its name on the hub"
    )
    learn: Literal["head", "stages", "all", "lora"] = Field(
        default="head",
        description="head: the backbone stays as it is; stages: thawed from the top, layer by layer; all: everything "
        "from the start; lora: small matrices beside the frozen attention",
    )
    thaw_from: int = Field(default=3, ge=1, le=1000, description="stages: epoch in which the top layer begins to learn")
    thaw_every: int = Field(default=1, ge=1, le=1000, description="stages: epochs from one layer to the next")
    rate_scale: float = Field(
        default=0.05, gt=0, le=1, description="Learning rate of the top layer, in that of the head"
    )
    rate_decay: float = Field(default=0.9, gt=0, le=1, description="Rate of each layer, in that of the layer above it")
    lora_rank: int = Field(default=8, ge=1, le=256, description="lora: rank of the matrices")
    lora_alpha: float = Field(default=16.0, gt=0, le=1024, description="lora: their scale is alpha / rank")
    pooling: Literal["mean", "cls"] | None = Field(
        default=None, description="Of tokens: the mean, or the first; as the backbone's makers say if left out"
    )
    dropout: float = Field(default=0.1, ge=0, le=0.9, description="Before the head's layers")
    hidden: int = Field(default=0, ge=0, le=100_000, description="Width of a hidden layer in the head; 0 = none")
    backbone: dict[str, Any] | None = Field(default=None, description="The backbone's config; read from the folder")
    image: dict[str, Any] | None = Field(default=None, description="How images are scaled; read from the folder")
    sha256: str | None = Field(default=None, description="Of the backbone's weights; read from the folder")


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Read the folder, unless that was done before.

    Raises:
        TrainwellError: `missing_option`, `architecture_does_not_fit`, `too_many_steps`, or as `_backbones.find`.
    """
    if config.backbone is not None:
        _check(config, config.backbone, shapes)
        return config, []
    if config.source is None:
        raise TrainwellError(
            "missing_option", "Say which backbone: a folder of the workspace, or a name on the hub.",
            argument="pretrained", allowed="a folder with config.json and model.safetensors",
        )  # fmt: skip
    found = backbones.find(config.source)
    pooling = config.pooling or ("cls" if found.pooling == "cls" else "mean")
    chosen = {"backbone": found.config, "sha256": found.sha256, "pooling": pooling, "image": found.image}
    settled = config.model_copy(update=chosen)
    _check(settled, found.config, shapes)
    return settled, _notes(settled, found.config)


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network; its backbone has the folder's weights, but on the meta device.

    Raises:
        TrainwellError: `extra_missing`, or as `_backbones.load`.
    """
    known = config.backbone or {}
    if config.source is None or torch.get_default_device().type == "meta":
        backbone = backbones.make(known)
    else:
        backbone = backbones.load(config.source, known, config.sha256)
    if config.learn == "lora":
        _add_lora(backbone, config)
    else:
        backbone.requires_grad_(config.learn != "head")
    module = Pretrained(backbone, config, shapes)
    if config.learn in {"stages", "all"}:
        module.rate_factors, module.learns_from = _unequal(backbone, config)
    return module


def recipe(config: Config, shapes: Shapes) -> Recipe:  # noqa: ARG001 - one signature for all families
    """A head alone learns at a high rate; a backbone must not forget, and needs few passes."""
    if config.learn == "head":
        return Recipe(epochs=30, lr=5e-3, batch_size=32)
    return Recipe(epochs=4 if config.learn != "stages" else 8, lr=1e-3, batch_size=16)


class Pretrained(nn.Module):
    """Backbone, pooling, head. inputs: those of the shapes. Returns: (B, num_outputs).

    Attributes:
        rate_factors: By prefix of parameter names: the learning rate, in that of the schedule; 1 where nothing fits.
        learns_from: By prefix of parameter names: the first epoch in which they learn; 1 where nothing fits.
    """

    def __init__(self, backbone: nn.Module, config: Config, shapes: Shapes) -> None:
        super().__init__()
        self.rate_factors: dict[str, float] = {}
        self.learns_from: dict[str, int] = {}
        self.backbone, self.config, self.shapes = backbone, config, shapes
        self.images = shapes.inputs[0].role == "image"
        known = config.backbone or {}
        self.pad = known.get("pad_token_id") or 0
        width = _width(known)
        self.memory = FeatureMemory(width)
        self.drop = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(width, config.hidden) if config.hidden else None
        self.output = nn.Linear(config.hidden or width, shapes.num_outputs)
        nn.init.normal_(self.output.weight, std=OUTPUT_STD / (config.hidden or width) ** 0.5)
        nn.init.zeros_(self.output.bias)
        if self.images:
            image = config.image or {}
            for name, otherwise in (("image_mean", _MEAN), ("image_std", _STD)):
                self.register_buffer(name, 255 * torch.tensor(image.get(name) or otherwise).view(-1, 1, 1))

    def train(self, mode: bool = True) -> Pretrained:
        """A backbone that stays as it is, or thaws later, drops nothing and keeps its statistics."""
        super().train(mode)
        if self.config.learn in {"head", "stages"}:
            self.backbone.eval()
        return self

    def forward(self, *inputs: Tensor) -> Tensor:
        """See the class."""
        x = self.drop(self._features(inputs))
        if self.hidden is not None:
            x = self.drop(torch.relu(self.hidden(x)))
        return self.output(x)

    def _features(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """(B, width), with a gradient only where the backbone learns."""
        if any(parameter.requires_grad for parameter in self.backbone.parameters()):
            self.memory.clear()
            return self._run(inputs)
        return self.memory.recall(inputs, self._run)

    def _run(self, inputs: tuple[Tensor, ...]) -> Tensor:
        if self.images:
            return self._seen(inputs[0])
        tokens = inputs[0].long()
        mask = torch.arange(tokens.shape[1], device=tokens.device) < inputs[1].unsqueeze(1)
        if self.pad:  # padding is 0 in prepared data; there the two numbers changed places
            tokens = torch.where(tokens == 0, self.pad, torch.where(tokens == self.pad, 0, tokens))
        # A library that looks at the mask's values cannot do so on the meta device.
        wide = mask[:, None, None].expand(-1, 1, mask.shape[1], -1) if mask.is_meta else mask.long()
        states = self.backbone(input_ids=tokens, attention_mask=wide).last_hidden_state
        return states[:, 0] if self.config.pooling == "cls" else masked_mean(states, mask)

    def _seen(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in 0..255, grey or colour, of any size."""
        x = images.float()
        if x.shape[1] != 3:
            x = x[:, :1].expand(-1, 3, -1, -1)
        side = _side(self.config)
        if tuple(x.shape[-2:]) != (side, side):
            x = functional.interpolate(x, (side, side), mode="bilinear", antialias=not x.is_meta)
        x = (x - self.get_buffer("image_mean")) / self.get_buffer("image_std")
        told = self.backbone(pixel_values=x)
        states = told.last_hidden_state
        return states[:, 0] if states.ndim == 3 else states.mean((2, 3))


def _check(config: Config, known: dict[str, Any], shapes: Shapes) -> None:
    """Refuse inputs that the backbone cannot take."""
    kind = backbones.kind_of(known)
    spec = shapes.inputs[0]
    if spec.role != kind.role or (spec.role == "tokens" and len(shapes.inputs) != 2) or shapes.task == "forecasting":
        what = "texts (kind text)" if kind.role == "tokens" else "images"
        raise TrainwellError(
            "architecture_does_not_fit", f"This backbone ({known['model_type']}) takes {what}.", argument="pretrained",
            got=spec.role, allowed=kind.role,
        )  # fmt: skip
    if config.learn == "lora" and not kind.attention:
        raise TrainwellError(
            "invalid_option", f"{known['model_type']} has no attention for LoRA.", argument="options/learn", got="lora",
            allowed=["head", "stages", "all"],
        )  # fmt: skip
    if spec.role == "image":
        return
    if spec.sizes[0] > int(known.get("vocab_size", 0)):
        raise TrainwellError(
            "tokenizer_mismatch", f"The data has {spec.sizes[0]:,} tokens, the backbone {known.get('vocab_size'):,}.",
            argument="data", hint="Prepare the data with the backbone's tokenizer.",
            next_call=next_call("prepare_data", kind="text", options={"tokenizer": config.source}),
        )  # fmt: skip
    # RoBERTa and its kin count positions from behind the number of padding.
    behind = (
        1 + int(known.get("pad_token_id") or 0) if known["model_type"] in {"roberta", "xlm-roberta", "camembert"} else 0
    )
    longest = int(known.get("max_position_embeddings", spec.shape[0])) - behind
    if spec.shape[0] > longest:
        raise TrainwellError(
            "too_many_steps", f"The rows have {spec.shape[0]} tokens; this backbone takes {longest}.", argument="data",
            got=spec.shape[0], allowed=longest, hint="Prepare the data with options: length.",
            next_call=next_call("prepare_data", kind="text", options={"tokenizer": config.source, "length": longest}),
        )  # fmt: skip


def _notes(config: Config, known: dict[str, Any]) -> list[str]:
    told = {
        "head": "learn head: the backbone stays as it is and is run over each row once; stages, all and lora go "
        "further and take far longer.",
        "stages": f"learn stages: only the head at first; from epoch {config.thaw_from} on one layer more every "
        f"{config.thaw_every} epochs, from the top.",
        "all": f"learn all: the top layer at {config.rate_scale:g} of the head's rate, each below at "
        f"{config.rate_decay:g} of that.",
        "lora": f"learn lora: matrices of rank {config.lora_rank} beside the attention, and the head.",
    }
    notes = [
        told[config.learn],
        f"A checkpoint holds the whole backbone ({known['model_type']}), not a reference to it.",
    ]
    if backbones.kind_of(known).role == "tokens":
        notes.append(
            f"pooling {config.pooling}: {'the mean of' if config.pooling == 'mean' else 'the first of'} its tokens."
        )
    return notes


def _unequal(backbone: nn.Module, config: Config) -> tuple[dict[str, float], dict[str, int]]:
    """Rates and first epochs by prefix: each layer by its distance from the top, all below the layers as the lowest."""
    path, count = backbones.layers_of(backbone, config.backbone or {})
    rates = {"backbone.": config.rate_scale * config.rate_decay**count}
    epochs = {"backbone.": config.thaw_from + count * config.thaw_every}
    for number in range(count):
        below = count - 1 - number
        rates[f"backbone.{path}.{number}."] = config.rate_scale * config.rate_decay**below
        epochs[f"backbone.{path}.{number}."] = config.thaw_from + below * config.thaw_every
    return rates, epochs if config.learn == "stages" else {}


def _add_lora(backbone: nn.Module, config: Config) -> None:
    """Freeze the backbone and put trainable matrices beside its attention, in place."""
    try:
        from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 - an extra; it takes seconds
    except ImportError as error:
        raise backbones.missing("peft") from error
    names = list(backbones.kind_of(config.backbone or {}).attention)
    lora = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=names)  # pyright: ignore[reportArgumentType]
    inject_adapter_in_model(lora, backbone)
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_("lora_" in name)


def _width(known: dict[str, Any]) -> int:
    sizes = known.get("hidden_sizes")
    return int(sizes[-1] if sizes else known.get("hidden_size", known.get("dim", 768)))


def _side(config: Config) -> int:
    size: Any = (config.backbone or {}).get("image_size") or (config.image or {}).get("size") or _SIDE
    if isinstance(size, dict):
        size = next(iter(cast("dict[str, Any]", size).values()), _SIDE)
    return int(size)
