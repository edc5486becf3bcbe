"""Training rows changed a little each time they are seen, a whole batch at once, on the device.

Each change draws from the given generator only and never looks at a number on the host. Pictures are (B, C, H, W) in
0..255, uint8 or floating point; their shape stays. In this order, whatever the order asked for:

| name | change | source |
|---|---|---|
| flip | left and right exchanged, in every second row | |
| crop | moved by whole pixels, at most a tenth of the side; what comes in is mirrored | He et al. 2015, 1512.03385 |
| rotate | turned by at most 10 degrees | |
| color | brightness, contrast and saturation by at most a fifth | Krizhevsky et al. 2012 |
| cutout | a square of a quarter of the side is set to the mean | DeVries and Taylor 2017, arXiv 1708.04552 |
| mixup | two rows averaged with a share from Beta(0.2, 0.2) | Zhang et al. 2018, arXiv 1710.09412 |
| cutmix | a box of another row, its share of the area uniform | Yun et al. 2019, arXiv 1905.04899 |

mixup and cutmix mix the targets as they mix the rows: classes become (B, K) shares. With both, each row draws one.
In reconstruction the target is the picture after every change but cutout, which is left to be filled in.
"""

# torch has no public name for gamma numbers from a generator.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone reads

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    from trainwell.contract.specs import PreparedData, TrainConfig

# Shares of the shorter side.
CROP_SHARE, CUTOUT_SHARE = 0.1, 0.25
ROTATE_DEGREES = 10.0
# Largest relative change of brightness, contrast and saturation.
COLOR_STRENGTH = 0.2
# Beta(alpha, alpha) of mixup: 0.1 to 0.4 are what its authors found good on pictures. CutMix takes Beta(1, 1).
MIXUP_ALPHA = 0.2
# Share of the rows that cutmix touches, as its authors have it for small pictures.
CUTMIX_SHARE = 0.5
# Rec. 601: how bright the eye finds red, green and blue.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augment:
    """Changes batches; made by `make`.

    Attributes:
        geometry: Changes of the picture that reconstruction must follow.
        cuts: Changes of the picture that reconstruction must undo.
        mixup: Whether rows are averaged.
        cutmix: Whether boxes are exchanged.
        num_classes: K where the target is a class number, else 0.
        is_reconstruction: Whether the target is the first input.
        roles: What each input is.
    """

    geometry: tuple[Callable[[Tensor, Generator], Tensor], ...]
    cuts: tuple[Callable[[Tensor, Generator], Tensor], ...]
    mixup: bool
    cutmix: bool
    num_classes: int
    is_reconstruction: bool
    roles: tuple[str, ...]

    def __call__(
        self, inputs: tuple[Tensor, ...], target: Tensor, generator: Generator
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Change one batch.

        Args:
            inputs: Each (B, ...), on the generator's device.
            target: (B, ...), see `PreparedData`.
            generator: The only source of chance.

        Returns: Inputs of the same shapes, and the target: (B, K) float32 shares after mixup or cutmix of classes.
        """
        first, *others = inputs
        layout = _layout(first)
        for change in self.geometry:
            first = change(first, generator)
        if self.is_reconstruction:
            target = first
        for change in self.cuts:
            first = change(first, generator)
        mixed = (first, *others)
        if self.mixup or self.cutmix:
            mixed, target = self._mix(mixed, target, generator)
        # Convolutions are fastest on the layout that the batch came in.
        return (mixed[0].contiguous(memory_format=layout), *mixed[1:]), target

    def _mix(
        self, inputs: tuple[Tensor, ...], target: Tensor, generator: Generator
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Every row with a partner, drawn by a permutation; `own` (B,) is the share of the row itself."""
        rows, device = len(target), target.device
        partner = torch.randperm(rows, generator=generator, device=device)
        own = _beta(rows, MIXUP_ALPHA, generator, device) if self.mixup else torch.ones(rows, device=device)
        box = None
        if self.cutmix:
            height, width = inputs[0].shape[-2:]
            box, outside = _boxes(rows, height, width, generator, device)
            # Without mixup, the rows that cutmix leaves stay as they are.
            taken = torch.rand(rows, generator=generator, device=device) < CUTMIX_SHARE
            box = box & taken[:, None, None]
            averaged, own = torch.where(taken, 1.0, own), torch.where(taken, outside, own)
        else:
            averaged = own
        mixed = tuple(
            _mixed_input(x, partner, averaged, role, generator) for x, role in zip(inputs, self.roles, strict=True)
        )
        if box is not None:
            first = torch.where(box.unsqueeze(1), inputs[0][partner].to(mixed[0].dtype), mixed[0])
            mixed = (first, *mixed[1:])
        shares = F.one_hot(target, self.num_classes).float() if self.num_classes else target
        return mixed, _average(shares, shares[partner], own)


def make(config: TrainConfig, data: PreparedData) -> Augment | None:
    """What a config asks for, or None where it asks for nothing.

    Raises:
        TrainwellError: `augmentation_does_not_fit`.
    """
    if not config.augment:
        return None
    asked, roles = set(config.augment), tuple(spec.role for spec in data.inputs)
    check(asked, data)
    pictures = data.inputs[0]
    fill = pictures.mean or (0.0,)
    geometry: dict[str, Callable[[Tensor, Generator], Tensor]] = {
        "flip": flip, "crop": crop, "rotate": rotate, "color": color,
    }  # fmt: skip
    cuts: dict[str, Callable[[Tensor, Generator], Tensor]] = {"cutout": lambda x, g: cutout(x, fill, g)}
    return Augment(
        geometry=tuple(change for name, change in geometry.items() if name in asked),
        cuts=tuple(change for name, change in cuts.items() if name in asked),
        mixup="mixup" in asked,
        cutmix="cutmix" in asked,
        num_classes=len(data.classes) if data.task == "classification" else 0,
        is_reconstruction=data.task == "reconstruction",
        roles=roles,
    )


def flip(x: Tensor, generator: Generator) -> Tensor:
    """Left and right exchanged in every second row. x: (B, C, H, W)."""
    chosen = torch.rand(len(x), generator=generator, device=x.device) < 0.5
    return torch.where(chosen[:, None, None, None], x.flip(3), x)


def crop(x: Tensor, generator: Generator) -> Tensor:
    """Moved by whole pixels down and right, by `shift_of` at most; mirrored where it runs out. x: (B, C, H, W)."""
    rows, channels, height, width = x.shape
    most = shift_of(height, width)

    def places(size: int) -> Tensor:
        moves = torch.randint(-most, most + 1, (rows, 1), generator=generator, device=x.device)
        return _mirrored(torch.arange(size, device=x.device) - moves, size)

    index = (places(height) * width)[:, :, None] + places(width)[:, None, :]
    flat = index.view(rows, 1, height * width).expand(rows, channels, height * width)
    return x.flatten(2).gather(2, flat).view(x.shape)


def shift_of(height: int, width: int) -> int:
    """Most pixels that `crop` moves by; a picture of 2 pixels still has one to mirror."""
    side = min(height, width)
    return min(max(1, round(CROP_SHARE * side)), side - 1)


def rotate(x: Tensor, generator: Generator) -> Tensor:
    """Turned around the middle by at most `ROTATE_DEGREES`, bilinear, mirrored at the border. x: (B, C, H, W)."""
    rows, _, height, width = x.shape
    angle = (torch.rand(rows, generator=generator, device=x.device) * 2 - 1) * math.radians(ROTATE_DEGREES)
    sine, cosine, nothing = angle.sin(), angle.cos(), torch.zeros_like(angle)
    # The grid runs from -1 to 1 on either side, so an oblong picture needs its ratio to turn without shear.
    ratio = height / width
    above = torch.stack([cosine, -sine * ratio, nothing], dim=1)
    below = torch.stack([sine / ratio, cosine, nothing], dim=1)
    grid = F.affine_grid(torch.stack([above, below], dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(_float(x), grid.to(_float(x).dtype), padding_mode="reflection", align_corners=False)


def color(x: Tensor, generator: Generator) -> Tensor:
    """Brightness and contrast, with 3 or 4 channels also saturation; a fourth, alpha, stays. x: (B, C, H, W)."""
    pixels = _float(x)
    alpha, pixels = (pixels[:, 3:], pixels[:, :3]) if x.shape[1] == 4 else (None, pixels)
    draws = torch.rand((3, len(x), 1, 1, 1), generator=generator, device=x.device)
    brightness, contrast, saturation = 1 + COLOR_STRENGTH * (2 * draws - 1).to(pixels.dtype)
    if pixels.shape[1] == 3:
        weights = torch.tensor(_LUMA, device=x.device, dtype=pixels.dtype).view(1, 3, 1, 1)
        grey = (pixels * weights).sum(1, keepdim=True)
        pixels = torch.lerp(grey.expand_as(pixels), pixels, saturation)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (torch.lerp(mean.expand_as(pixels), pixels, contrast) * brightness).clamp(0, 255)
    return pixels if alpha is None else torch.cat([pixels, alpha], dim=1)


def cutout(x: Tensor, fill: tuple[float, ...], generator: Generator) -> Tensor:
    """A square, its middle anywhere in the picture, set to the mean of each channel. x: (B, C, H, W)."""
    rows, _, height, width = x.shape
    side = max(1, round(CUTOUT_SHARE * min(height, width)))
    place = torch.rand((2, rows, 1), generator=generator, device=x.device)
    inside = _within(place[0], side, height)[:, :, None] & _within(place[1], side, width)[:, None, :]
    value = torch.tensor(fill, device=x.device).view(1, -1, 1, 1)
    value = value if x.is_floating_point() else value.round()
    return torch.where(inside.unsqueeze(1), value.to(x.dtype), x)


def check(asked: set[str], data: PreparedData) -> None:
    """Refuse changes that these data cannot take.

    Raises:
        TrainwellError: `augmentation_does_not_fit`.
    """
    roles = {spec.role for spec in data.inputs}
    only_images = asked - {"mixup"}
    mixes = asked & {"mixup", "cutmix"}
    problem: str | None = None
    if only_images and data.inputs[0].role != "image":
        problem = f"{', '.join(sorted(only_images))} is for images."
    elif mixes and data.task == "reconstruction":
        problem = "A mixture of two rows is nothing that could be reconstructed."
    elif mixes and "tokens" in roles:
        problem = "There is no average of two texts."
    if problem is not None:
        raise TrainwellError(
            "augmentation_does_not_fit", problem, argument="augment", got=sorted(asked), hint="Leave it out."
        )


def _mixed_input(x: Tensor, partner: Tensor, own: Tensor, role: str, generator: Generator) -> Tensor:
    """One input of every row mixed with its partner's; `own` (B,) is the share of the row itself."""
    other = x[partner]
    if role == "length":
        return torch.maximum(x, other)  # the mixture ends where the longer one does
    if role == "categories":
        # Categories have no average: each comes from the row or from its partner, as often as the share says.
        keeps = torch.rand(x.shape, generator=generator, device=x.device) < own[:, None]
        return torch.where(keeps, x, other)
    return _average(_float(x), _float(other), own)


def _average(x: Tensor, other: Tensor, own: Tensor) -> Tensor:
    return torch.lerp(other, x, own.to(x.dtype).view(-1, *(1,) * (x.ndim - 1)))


def _beta(rows: int, alpha: float, generator: Generator, device: torch.device) -> Tensor:
    """Shares (rows,) from Beta(alpha, alpha): a gamma number over the sum of two."""
    gammas = torch._standard_gamma(torch.full((2, rows), alpha, device=device), generator=generator)
    return (gammas[0] / gammas.sum(0).clamp(min=1e-30)).clamp(0, 1)


def _boxes(rows: int, height: int, width: int, generator: Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """A box in each picture (rows, H, W), and the share (rows,) of the area outside it, counted in whole pixels."""
    draws = torch.rand((3, rows, 1), generator=generator, device=device)
    size = (1 - draws[0]).sqrt()  # the share of the area is uniform, cut where the box leaves the picture
    tall, wide = ((size * side).round().long() for side in (height, width))
    down, right = _within(draws[1], tall, height), _within(draws[2], wide, width)
    area = down.sum(1) * right.sum(1)
    return down[:, :, None] & right[:, None, :], 1 - area / (height * width)


def _within(place: Tensor, length: Tensor | int, size: int) -> Tensor:
    """Which of `size` pixels lie in a piece around a place in [0, 1). place: (B, 1). Returns: (B, size) bool."""
    start = (place * size).long() - length // 2
    pixels = torch.arange(size, device=place.device)
    return (pixels >= start) & (pixels < start + length)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places that run over an end, turned back without repeating the last pixel."""
    places = places.abs()
    return torch.where(places >= size, 2 * (size - 1) - places, places)


def _float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


def _layout(x: Tensor) -> torch.memory_format:
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format
