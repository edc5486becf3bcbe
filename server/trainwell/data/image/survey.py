"""What the pictures of a set have in common, from some of them: size, channels, depth, border."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainwell.data.image.decode import DEEP_MODES, BrokenPictureError, Fit, Style, as_bytes, open_picture, upright

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

# Headers are cheap, pixels are not.
MOST_HEADERS, MOST_DECODED = 1000, 64
# Larger pictures are made smaller unless a size is given: from scratch, more pixels cost more than they teach.
LONGEST_SIDE = 128
SHORTEST_SIDE = 4
# A side of more than this becomes a multiple of 8, so that it can be halved three times.
_ROUNDED_FROM = 32
# Full scale of 8, 10, 12, 14 and 16 bits.
_WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_THUMBNAIL = 64
# EXIF: the tag, and the first of its values 5 to 8 that exchange height and width.
_ORIENTATION, _FIRST_TURNED = 0x0112, 5
_ROOM = 1.1  # a few rare deep pixels may be brighter than those that were looked at


@dataclass(frozen=True)
class Survey:
    """What was seen in a sample.

    Attributes:
        sizes: How often each (height, width) occurs.
        modes: How often each of Pillow's modes occurs.
        broken: Files of the sample that are no pictures, by their place in it.
        looked_at: Files in the sample.
        transparent: Whether alpha hides anything.
        colourful: Whether red, green and blue differ anywhere.
        white: See `Style`.
        background: See `Style`.
        border: The middle value of the outermost pixels, red, green, blue.
    """

    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    broken: dict[int, str]
    looked_at: int
    transparent: bool
    colourful: bool
    white: float
    background: int
    border: tuple[int, int, int]


def survey(paths: Sequence[Path]) -> Survey:
    """Look at the headers of some pictures and at the pixels of fewer."""
    headers = _evenly(paths, MOST_HEADERS)
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    broken: dict[int, str] = {}
    for place, path in enumerate(headers):
        try:
            with open_picture(path) as image:
                width, height = _upright_size(image)
                sizes[height, width] += 1
                modes[image.mode] += 1
        except BrokenPictureError as error:
            broken[place] = str(error)
        except Exception:  # noqa: BLE001 - metadata raises anything; decoding tells what is wrong
            broken[place] = "its metadata cannot be read"
    pixels = list(filter(None, map(_pixels, _evenly(paths, MOST_DECODED))))
    deep = max((seen["deepest"] for seen in pixels), default=0.0)
    bright = [seen["opaque"] for seen in pixels if seen["transparent"]]
    border = np.median([seen["border"] for seen in pixels], axis=0) if pixels else np.zeros(3)
    return Survey(
        sizes=sizes,
        modes=modes,
        broken=broken,
        looked_at=len(headers),
        transparent=bool(bright),
        colourful=any(seen["colourful"] for seen in pixels),
        white=_white(deep),
        # What is drawn must stand out from what is put behind it.
        background=0 if bright and float(np.mean(bright)) > 127 else 255,
        border=(int(border[0]), int(border[1]), int(border[2])),
    )


def style_of(
    seen: Survey, size: tuple[int, int] | None, channels: Literal[1, 3, 4] | None, fit: Fit
) -> tuple[Style, list[str]]:
    """How the pictures become arrays, and what was decided, in words."""
    height, width = size or chosen_size(seen.sizes)
    same = set(seen.sizes) == {(height, width)}
    notes: list[str] = []
    if not same:
        asked = "as asked" if size else "chosen from the data; set options.size for another"
        how = {"pad": "padded to keep their ratio", "crop": "cut to keep their ratio", "stretch": "stretched"}[fit]
        notes.append(f"Images become {height} x {width} ({asked}); those of another ratio are {how}.")
    taken: Literal[1, 3, 4] = channels or (3 if seen.colourful else 1)
    if channels is None and taken == 1 and set(seen.modes) - {"L", "1", "LA", *DEEP_MODES}:
        notes.append("Red, green and blue are equal in the sample: the images are kept as grey (options.channels: 3).")
    if seen.transparent and taken != 4:
        shade = "black" if seen.background == 0 else "white"
        notes.append(f"Transparent pixels become {shade}; options.channels: 4 keeps alpha as a channel.")
    if set(seen.modes) & DEEP_MODES:
        notes.append(f"Images of more than 8 bits are scaled: {seen.white:g} becomes 255.")
    return Style(
        height=height,
        width=width,
        channels=taken,
        fit=fit,
        fill=_fill(seen.border, taken),
        background=seen.background,
        white=seen.white,
    ), notes


def chosen_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """The size that is common to all, or the middle one; at most `LONGEST_SIDE`."""
    all_sizes = np.array(list(sizes.elements()), np.float64).reshape(-1, 2)
    height, width = np.median(all_sizes, axis=0) if len(all_sizes) else (LONGEST_SIDE, LONGEST_SIDE)
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale == 1.0 and len(sizes) == 1:
        return max(SHORTEST_SIDE, int(height)), max(SHORTEST_SIDE, int(width))
    return _rounded(height * scale), _rounded(width * scale)


def _rounded(side: float) -> int:
    return max(SHORTEST_SIDE, round(side / 8) * 8 if side > _ROUNDED_FROM else round(side))


def _fill(border: tuple[int, int, int], channels: int) -> tuple[int, ...]:
    if channels == 1:
        return (round(0.299 * border[0] + 0.587 * border[1] + 0.114 * border[2]),)
    return border if channels == 3 else (*border, 255)


def _pixels(path: Path) -> dict[str, Any] | None:
    """What the pixels of one picture show; None where it is broken, which decoding will tell."""
    try:
        with open_picture(path) as image:
            deepest = float(np.nanmax(np.asarray(image))) if image.mode in DEEP_MODES else 0.0
            if image.mode not in DEEP_MODES:
                image.thumbnail((_THUMBNAIL, _THUMBNAIL))
            plain_style = Style(height=1, width=1, channels=4, white=_white(deepest))
            red, green, blue, alpha = as_bytes(upright(image, plain_style)).astype(np.int16)
    except Exception:  # noqa: BLE001 - decoders of foreign files raise anything; decoding tells what was wrong
        return None
    colours = np.stack([red, green, blue])
    edge = np.concatenate([colours[:, 0], colours[:, -1], colours[:, :, 0], colours[:, :, -1]], axis=1)
    visible = alpha > 127
    return {
        "deepest": deepest,
        "colourful": bool((np.ptp(colours, axis=0) > 2).any()),
        "transparent": bool((alpha < 250).any()),
        "opaque": float(colours[:, visible].mean()) if visible.any() else 0.0,
        "border": np.median(edge, axis=1),
    }


def _white(deepest: float) -> float:
    """The full scale that the deepest value fits into."""
    if 0 < deepest <= 1:
        return 1.0
    return next((white for white in _WHITES if deepest <= white), float(deepest * _ROOM))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    # A PNG is decoded whole before it tells its metadata, and cameras write JPEG.
    turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED
    return (image.height, image.width) if turned else image.size


def _evenly(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many, spread over the whole."""
    if len(paths) <= most:
        return list(paths)
    return [paths[place] for place in np.linspace(0, len(paths) - 1, most).astype(int)]
