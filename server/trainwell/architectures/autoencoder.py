"""Autoencoder: the input through a narrow middle and back, for `task: reconstruction`.

Dense for tables, convolutional for images. What it gives is the input again, flattened: values of a table on their
standardised scale, pixels as (value - mean) / std. Beside the bent way through the layers a straight linear one leads
into the code and out of it: that alone can become PCA of the same width, and the layers learn what PCA cannot.

Source: Hinton and Salakhutdinov 2006 (Science 313).
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from math import prod
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from trainwell.architectures._activations import ACTIVATIONS, Activation
from trainwell.architectures._entry import entry_of
from trainwell.architectures._init import initialise
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Recipe, Shapes, Spec, TensorSpec

ACCEPTS = frozenset({"features", "image", "sequence"})

Width = Annotated[int, Field(ge=1, le=1_000_000_000)]
# The code has a quarter of the values of a row, within these.
SHARE, NARROWEST, WIDEST = 4, 2, 128
HIDDEN_BY_VALUES = ((64, 256), (512, 512))
WIDEST_HIDDEN = 1024
LEAST_SIDE = 8  # images below this, and those of an odd number of places, get dense layers


class Config(Spec):
    """Options of `autoencoder`."""

    bottleneck: Width | None = Field(
        default=None, description="Values in the middle; a quarter of those of a row, at most 128, if left out"
    )
    hidden_dims: tuple[Width, ...] | None = Field(
        default=None, max_length=16, description="Widths on the way in, mirrored on the way out; chosen if left out"
    )
    channels: tuple[Width, ...] | None = Field(
        default=None,
        max_length=6,
        description="Images: channels of the convolutions, each halving the sides; [] is dense; chosen if left out",
    )
    activation: Activation = Field(default="gelu", description="Behind each hidden layer")
    noise: float = Field(default=0.0, ge=0, le=0.9, description="Share of inputs hidden in training (denoising)")


class Autoencoder(nn.Module):
    """entry -> encoder + straight way in -> code -> decoder + straight way out."""

    def __init__(self, spec: TensorSpec, encoder: nn.Sequential, decoder: nn.Sequential, config: Config) -> None:
        super().__init__()
        values, code = prod(spec.shape), config.bottleneck or NARROWEST
        self.entry = entry_of(spec)
        self.hide = nn.Dropout(config.noise)
        self.encoder, self.decoder = encoder, decoder
        self.straight_in = nn.Linear(values, code)
        self.straight_out = nn.Linear(code, values)
        for straight in (self.straight_in, self.straight_out):
            nn.init.orthogonal_(straight.weight) if not straight.weight.is_meta else None
            nn.init.zeros_(straight.bias)

    def encode(self, x: Tensor) -> Tensor:
        """The code of rows. x: (B, ...) as prepared. Returns: (B, bottleneck)."""
        x = self.hide(self.entry(x))
        return self.encoder(x) + self.straight_in(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """The input again. x: (B, ...). Returns: (B, values)."""
        code = self.encode(x)
        return self.decoder(code).flatten(1) + self.straight_out(code)


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Choose what was left out, from the shape of a row.

    Raises:
        TrainwellError: `task_does_not_fit`, when something else than the input is to be learnt.
    """
    spec = _input(shapes)
    values = prod(spec.shape)
    chosen: dict[str, object] = {}
    notes: list[str] = []
    if config.bottleneck is None:
        chosen["bottleneck"] = max(NARROWEST, min(WIDEST, values // SHARE))
        notes.append(f"bottleneck {chosen['bottleneck']}: chosen for {values:,} values a row; fewer compress more.")
    if config.channels is None:
        chosen["channels"] = _channels(spec)
        if chosen["channels"]:
            notes.append(f"channels {list(_channels(spec))}: convolutions that halve the sides each.")
    if config.hidden_dims is None:
        conv = config.channels if config.channels is not None else _channels(spec)
        width = next((width for most, width in HIDDEN_BY_VALUES if values <= most), WIDEST_HIDDEN)
        chosen["hidden_dims"] = () if conv else (width, width // 2)
        if chosen["hidden_dims"]:
            notes.append(f"hidden_dims {[width, width // 2]}: chosen for {values:,} values a row.")
    settled = config.model_copy(update=chosen)
    _check_channels(settled, spec)
    return settled, notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make both halves and the straight way beside them."""
    spec = _input(shapes)
    activation = ACTIVATIONS[config.activation]
    encoder: OrderedDict[str, nn.Module] = OrderedDict()
    decoder: OrderedDict[str, nn.Module] = OrderedDict()
    channels = (spec.shape[0], *(config.channels or ()))
    for number, (before, behind) in enumerate(pairwise(channels), start=1):
        encoder[f"conv_{number}"] = nn.Conv2d(before, behind, 3, stride=2, padding=1)
        encoder[f"conv_activation_{number}"] = activation()
    folded = (channels[-1], *(side >> (len(channels) - 1) for side in spec.shape[1:])) if config.channels else None
    encoder["flatten"] = nn.Flatten()
    widths = (prod(folded or spec.shape), *(config.hidden_dims or ()))
    for number, (before, behind) in enumerate(pairwise(widths), start=1):
        encoder[f"hidden_{number}"] = nn.Linear(before, behind)
        encoder[f"activation_{number}"] = activation()
    encoder["code"] = nn.Linear(widths[-1], config.bottleneck or NARROWEST)
    back = (config.bottleneck or NARROWEST, *reversed(widths[1:]))
    for number, (before, behind) in enumerate(pairwise(back), start=1):
        decoder[f"hidden_{number}"] = nn.Linear(before, behind)
        decoder[f"activation_{number}"] = activation()
    decoder["unfold" if folded else "output"] = nn.Linear(back[-1], widths[0])
    if folded:
        decoder["unfold_activation"], decoder["fold"] = activation(), nn.Unflatten(1, folded)
        _add_convolutions_back(decoder, channels, activation)
    module = Autoencoder(spec, nn.Sequential(encoder), nn.Sequential(decoder), config)
    initialise(encoder.values())
    initialise(decoder.values())
    return module


def recipe(config: Config, shapes: Shapes) -> Recipe:  # noqa: ARG001 - the same for every config
    """Twice the general epochs: there is little to overfit, and reconstruction goes on getting better."""
    return Recipe(epochs=80, weight_decay=0.0)


def _add_convolutions_back(
    decoder: OrderedDict[str, nn.Module], channels: tuple[int, ...], activation: type[nn.Module]
) -> None:
    back = tuple(pairwise(reversed(channels)))
    for number, (before, behind) in enumerate(back, start=1):
        decoder[f"deconv_{number}"] = nn.ConvTranspose2d(before, behind, 4, stride=2, padding=1)
        if number < len(back):
            decoder[f"deconv_activation_{number}"] = activation()


def _input(shapes: Shapes) -> TensorSpec:
    if shapes.task != "reconstruction":
        raise TrainwellError(
            "task_does_not_fit",
            f"An autoencoder gives its input again; the task of this data is {shapes.task}.",
            argument="architecture",
            got="autoencoder",
            hint="Prepare the data again with task reconstruction, or take another architecture.",
            next_call=next_call("prepare_data", task="reconstruction"),
        )
    spec = shapes.inputs[0]
    if len(shapes.inputs) != 1 or prod(spec.shape) < 1 or prod(spec.shape) != shapes.num_outputs:
        raise TrainwellError(
            "no_inputs" if prod(spec.shape) < 1 else "architecture_does_not_fit",
            "An autoencoder takes one input of numbers and gives it again.", argument="data",
            got={one.name: list(one.shape) for one in shapes.inputs} | {"outputs": shapes.num_outputs},
        )  # fmt: skip
    return spec


def _channels(spec: TensorSpec) -> tuple[int, ...]:
    """32, 64, ... for as long as the sides can be halved and stay at 4 or more, at most three of them."""
    if spec.role != "image" or min(spec.shape[1:]) < LEAST_SIDE:
        return ()
    sides = spec.shape[1:]
    channels: list[int] = []
    while len(channels) < 3 and all(side % 2 == 0 and side >= LEAST_SIDE for side in sides):
        sides = tuple(side // 2 for side in sides)
        channels.append(32 << len(channels))
    return tuple(channels)


def _check_channels(config: Config, spec: TensorSpec) -> None:
    count = len(config.channels or ())
    if count and (spec.role != "image" or any(side % (1 << count) for side in spec.shape[1:])):
        raise TrainwellError(
            "invalid_option",
            f"{count} convolutions halve the sides of an image {count} times; these are {list(spec.shape)}.",
            argument="options/channels",
            got=config.channels,
            allowed=list(_channels(spec)),
        )
