"""Pictures that lie in arrays: which axis holds the channels, and how their numbers become bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from trainwell.data.image.decode import Pixels, Style, as_bytes, fitted, upright

if TYPE_CHECKING:
    from trainwell.data.array.files import ArrayFile, Member
    from trainwell.data.parts import Array

Layout = Literal["hw", "chw", "hwc"]
_CHANNELS = (1, 3, 4)
SHORTEST_SIDE, LONGEST_SIDE = 4, 2048
_DEEPEST = 65535.0
# Floating-point pictures whose largest value lies above this and below 255 are taken for bytes.
_ALMOST_BYTES = 100.0
_PEEK_VALUES = 200_000


@dataclass(frozen=True)
class Form:
    """How rows of an array are pictures.

    Attributes:
        layout: What the axes of a row are.
        channels: Of each picture.
        height: Pixels.
        width: Pixels.
    """

    layout: Layout
    channels: Literal[1, 3, 4]
    height: int
    width: int


def form_of(shape: tuple[int, ...]) -> Form | None:
    """How a row of this shape would be a picture, if it can be one."""
    if len(shape) == 2:
        form = Form("hw", 1, *shape)
    elif len(shape) == 3 and shape[2] in _CHANNELS and (shape[0] not in _CHANNELS or shape[2] <= shape[0]):
        form = Form("hwc", _as_channels(shape[2]), shape[0], shape[1])
    elif len(shape) == 3 and shape[0] in _CHANNELS:
        form = Form("chw", _as_channels(shape[0]), shape[1], shape[2])
    else:
        return None
    fits = min(form.height, form.width) >= SHORTEST_SIDE and max(form.height, form.width) <= LONGEST_SIDE
    return form if fits else None


def likelihood(file: ArrayFile) -> int:
    """2 when the inputs of the file are pictures, else 0; looks at the header and at the first values."""
    member = file.inputs()
    form = None if member is None else form_of(member.shape[1:])
    if member is None or form is None or not member.shape[0]:
        return 0
    if member.dtype == np.uint8:
        return 2
    if member.dtype.kind not in "uifb" or not _shaped_like_one(member, form):
        return 0
    values = file.peek(member, _PEEK_VALUES).astype(np.float64)
    return 2 if values.size and np.isfinite(values).all() and values.min() >= 0 and values.max() <= _DEEPEST else 0


def white_of(rows: Array) -> float:
    """The value that becomes 255."""
    if rows.dtype == np.uint8:
        return 255.0
    brightest = float(np.nanmax(rows)) if rows.size else 1.0
    if brightest <= 1:
        return 1.0
    return 255.0 if _ALMOST_BYTES < brightest <= 255 else brightest


def to_pixels(rows: Array, form: Form, style: Style) -> Pixels:
    """(n, C, H, W) bytes from (n, ...) pictures of a form; resized only where the style has another size."""
    pixels = rows if rows.dtype == np.uint8 else _scaled(rows, style.white)
    if form.layout == "hw":
        pixels = pixels[:, None]
    elif form.layout == "hwc":
        pixels = pixels.transpose(0, 3, 1, 2)
    if (form.channels, form.height, form.width) == (style.channels, style.height, style.width):
        return np.ascontiguousarray(pixels)
    return np.stack([as_bytes(fitted(upright(_as_image(picture), style), style)) for picture in pixels])


def _scaled(rows: Array, white: float) -> Pixels:
    values = np.nan_to_num(rows.astype(np.float32) * np.float32(255 / white), nan=0.0)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _as_image(picture: np.ndarray[Any, Any]) -> Image.Image:
    return Image.fromarray(picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0)))


def _shaped_like_one(member: Member, form: Form) -> bool:
    """Three axes of numbers may as well be a series: only a square, or an array called images, is a picture."""
    return form.layout != "hw" or form.height == form.width or "image" in member.name.lower()


def _as_channels(number: int) -> Literal[1, 3, 4]:
    return 1 if number == 1 else 3 if number == 3 else 4
