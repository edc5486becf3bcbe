"""How well rows come back from a network, in a picture: the spread of the errors, and a strip of images."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import rounded
from trainwell.reports.picture import (
    HEADING_INCHES,
    INK,
    MUTED,
    PAPER,
    TRAIN,
    VALIDATION,
    legend,
    new_figure,
    style,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    # Originals and reconstructions, each (N, C, H, W) in 0..255.
    Strip = tuple[NDArray[Any], NDArray[Any]]

WIDTH, HISTOGRAM_INCHES, STRIP_INCHES = 9.6, 3.4, 2.7
# Where the images begin, beside the names of their lines.
LEFT = 1.3


def draw_reconstruction(errors: NDArray[np.float64], path: Path, *, title: str, strip: Strip | None = None) -> Path:
    """Draw how the errors of the rows are spread.

    Args:
        errors: (N,) RMSE of each row in standard deviations; those that are not finite are left out and counted.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        strip: Images as they were and as the network gives them back: the first half are typical ones, the second half
            the worst.

    Returns:
        `path`.
    """
    good = errors[np.isfinite(errors)]
    facts = [f"{len(errors):,} rows"]
    if len(good):
        low, high = np.percentile(good, (50, 99)).tolist()
        facts += [
            f"median error {rounded(low, 3)}",
            f"99 % below {rounded(high, 3)}",
            f"worst {rounded(good.max(), 3)}",
        ]
    facts += [f"{len(errors) - len(good):,} not finite, left out"] if len(good) < len(errors) else []
    height = HEADING_INCHES + HISTOGRAM_INCHES + (STRIP_INCHES if strip is not None else 0)
    figure = new_figure(WIDTH, height, title, facts)
    below = STRIP_INCHES if strip is not None else 0.0
    axes = figure.add_axes((0.075, (below + 0.55) / height, 0.9, (HISTOGRAM_INCHES - 0.6) / height))
    style(axes, x_label="error of a row (RMSE, standard deviations of the inputs)", y_label="rows")
    if len(good):
        _draw_errors(axes, good)
    if strip is not None:
        _draw_strip(figure, strip, height)
    return write(figure, path)


def _draw_errors(axes: Axes, errors: NDArray[np.float64]) -> None:
    bins = int(np.clip(np.sqrt(len(errors)) * 1.5, 10, 60))
    # From many rows a few far outliers would press all others into one bar: a log scale keeps them visible.
    axes.hist(
        errors, bins=bins, color=TRAIN, alpha=0.8, edgecolor=PAPER, linewidth=0.6, zorder=3, log=len(errors) > 500
    )
    edge = float(np.percentile(errors, 99))
    axes.axvline(edge, color=VALIDATION, linewidth=1.8, zorder=5, label=f"99 % of the rows below {rounded(edge, 3)}")
    legend(axes, "upper right")


def _draw_strip(figure: Figure, strip: Strip, height: float) -> None:
    """Two rows of images, originals above what came back."""
    count = len(strip[0])
    side = min(0.96, (WIDTH - LEFT - 0.4) / count)
    for line, (images, name) in enumerate(zip(strip, ("original", "reconstructed"), strict=True)):
        bottom = STRIP_INCHES - 0.55 - (line + 1) * (side + 0.06)
        figure.text(
            (LEFT - 0.1) / WIDTH, (bottom + side / 2) / height, name, fontsize=9, color=INK, ha="right", va="center"
        )
        for place, image in enumerate(images):
            left = LEFT + place * side + (0.25 if place >= count / 2 else 0)
            axes = figure.add_axes((left / WIDTH, bottom / height, (side - 0.06) / WIDTH, side / height))
            axes.imshow(_shown(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_axis_off()
    for place, name in ((0, "typical rows"), (count - count // 2, "worst rows")):
        left = LEFT + place * side + (0.25 if place else 0)
        figure.text(left / WIDTH, (STRIP_INCHES - 0.42) / height, name, fontsize=9, color=MUTED, va="center")


def _shown(image: NDArray[Any]) -> NDArray[Any]:
    """(C, H, W) numbers in 0..255 as matplotlib takes them: (H, W) grey or (H, W, 3) colour."""
    whole = np.clip(image, 0, 255).astype(np.uint8)
    return whole[:3].transpose(1, 2, 0) if len(whole) >= 3 else whole[0]
