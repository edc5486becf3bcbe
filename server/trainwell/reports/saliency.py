"""Where in images an answer comes from, in a picture: each image beside itself, faded where it did not matter."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import plain
from trainwell.reports.picture import HEADING_INCHES, MUTED, VALIDATION, new_figure, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SIDE, ACROSS = 1.75, 3
LONGEST_NAME = 42
# The pixels within the line hold this share of the attribution.
WITHIN = 0.5


def draw_saliency(
    images: NDArray[Any], strength: NDArray[np.float64], names: Sequence[str], path: Path, *, title: str
) -> Path:
    """Draw pairs of an image and the same image faded by its attribution, a line around what holds half of it.

    Args:
        images: (N, C, H, W) in 0..255.
        strength: (N, H, W) how much each pixel moved the answer, from 0.
        names: N words, one for each.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.

    Returns:
        `path`.
    """
    lines = max(1, -(-len(images) // ACROSS))
    width, height = ACROSS * (2 * SIDE + 0.35) + 0.4, HEADING_INCHES + lines * (SIDE + 0.45) + 0.1
    figure = new_figure(
        width, height, title, ["beside each image, what moved the answer; half of it lies within the line"]
    )
    for place in range(len(images)):
        left = 0.3 + (place % ACROSS) * (2 * SIDE + 0.35)
        bottom = height - HEADING_INCHES - (place // ACROSS + 1) * (SIDE + 0.45) + 0.1
        figure.text(
            left / width, (bottom + SIDE + 0.1) / height, plain(names[place], LONGEST_NAME), fontsize=8.5, color=MUTED,
            parse_math=False,
        )  # fmt: skip
        _draw_pair(figure, images[place], strength[place], (left / width, bottom / height, SIDE / width, SIDE / height))
    return write(figure, path)


def _draw_pair(
    figure: Figure, image: NDArray[Any], strength: NDArray[np.float64], box: tuple[float, float, float, float]
) -> None:
    left, bottom, wide, high = box
    whole = np.clip(np.asarray(image, np.float64), 0, 255) / 255
    colour = whole[:3].transpose(1, 2, 0) if len(whole) >= 3 else np.repeat(whole[0][..., None], 3, axis=2)
    top = np.quantile(strength, 0.98) or 1.0
    share = np.clip(strength / top, 0, 1)[..., None] ** 0.5
    for number, shown in enumerate((colour, colour * share + 0.93 * (1 - share))):
        axes = figure.add_axes((left + number * wide * 1.03, bottom, wide, high))
        axes.imshow(shown, interpolation="nearest", vmin=0, vmax=1)
        axes.set_axis_off()
        if number and strength.max() > 0 and min(strength.shape) > 1:
            axes.contour(strength, levels=[_level(strength)], colors=[VALIDATION], linewidths=1.4)


def _level(strength: NDArray[np.float64]) -> float:
    """The pixels above it hold half of the sum."""
    ordered: NDArray[np.float64] = np.sort(strength.ravel())[::-1]
    sums: NDArray[np.float64] = np.cumsum(ordered)
    within = int(np.count_nonzero(sums < WITHIN * float(sums[-1])))
    return min(float(ordered[within]), float(ordered[0]) * (1 - 1e-9))
