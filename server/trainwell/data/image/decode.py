"""One picture file as bytes of a fixed shape, whatever its mode, depth, orientation and size."""

# Pillow's types are partly unknown.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainwell.contract.specs import Spec
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from pathlib import Path

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Fit = Literal["pad", "crop", "stretch"]

# Decoders that only decode: EPS would start a program, others are rare or large.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm",
})  # fmt: skip
# A picture of so many pixels takes 300 MB as RGB; a few bytes can claim to be one.
MOST_PIXELS = 100_000_000
# More than 8 bits a pixel; the value that counts as white is `Style.white`.
DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# A JPEG may be decoded at a half, a quarter or an eighth of its size while it stays this much larger than needed.
_DRAFT = 2


class Style(Spec):
    """How every picture of a set becomes bytes (channels, height, width); JSON, kept with the prepared data.

    Attributes:
        fit: pad keeps the whole picture and its ratio, crop fills the frame and cuts, stretch changes the ratio.
        fill: Around a padded picture, one value a channel.
        background: Behind transparent pixels, 0 to 255, where alpha is not kept.
        white: The value of a deep (16-bit or floating-point) picture that becomes 255.
    """

    height: int
    width: int
    channels: Literal[1, 3, 4]
    fit: Fit = "pad"
    fill: tuple[int, ...] = (0,)
    background: int = 255
    white: float = 255.0


class BrokenPictureError(Exception):
    """A file that is no picture, not whole, or too large; the message is fit to be shown."""


def open_picture(path: Path) -> Image.Image:
    """The picture by its header; pixels are not decoded yet.

    Raises:
        BrokenPictureError: The file is no picture, or claims too many pixels.
    """
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise BrokenPictureError("more pixels than are read") from error
    except UnidentifiedImageError as error:
        raise BrokenPictureError("not an image") from error
    except Exception as error:  # decoders of foreign files raise anything
        raise BrokenPictureError(_reason(error)) from error
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise BrokenPictureError(f"more than {MOST_PIXELS // 1_000_000} million pixels")
    return image


def decode(path: Path, style: Style) -> Pixels:
    """The picture as (channels, height, width) bytes.

    Raises:
        BrokenPictureError: It cannot be decoded.
    """
    with open_picture(path) as image:
        try:
            longer = _DRAFT * max(style.height, style.width)
            image.draft(None, (longer, longer))
            return as_bytes(fitted(upright(image, style), style))
        except Exception as error:  # decoders of foreign files raise anything
            raise BrokenPictureError(_reason(error)) from error


def upright(image: Image.Image, style: Style) -> Image.Image:
    """The picture as a camera meant it, of 8 bits, in the channels of the style."""
    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP_MODES:
        image = from_deep(np.asarray(image), style.white)
    wanted = _MODES[style.channels]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if wanted != "RGBA":
            behind = Image.new("RGBA", image.size, (style.background,) * 3 + (255,))
            image = Image.alpha_composite(behind, image)
    return image if image.mode == wanted else image.convert(wanted)


def fitted(image: Image.Image, style: Style) -> Image.Image:
    """The picture in the style's size."""
    frame = (style.width, style.height)
    if image.size == frame:
        return image
    if style.fit == "stretch":
        return image.resize(frame, Image.Resampling.BILINEAR)
    if style.fit == "crop":
        return ImageOps.fit(image, frame, Image.Resampling.BILINEAR)
    scale = min(frame[0] / image.width, frame[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
    if small.size == frame:
        return small
    whole = Image.new(image.mode, frame, style.fill if style.channels > 1 else style.fill[0])
    whole.paste(small, ((frame[0] - size[0]) // 2, (frame[1] - size[1]) // 2))
    return whole


def as_bytes(image: Image.Image) -> Pixels:
    """(C, H, W) of an 8-bit picture."""
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def from_deep(values: np.ndarray[Any, Any], white: float) -> Image.Image:
    """A grey 8-bit picture of deep values (H, W), of which `white` becomes 255; what is not finite becomes 0."""
    scaled = np.nan_to_num(values.astype(np.float32) * np.float32(255 / white), nan=0.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _reason(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return plain(said[0] if said else type(error).__name__, 80)
