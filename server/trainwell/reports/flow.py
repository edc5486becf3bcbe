"""How gradients flow and how far weights move, layer by layer: a row a layer, the first look and the last.

Shapes tell the looks apart (an empty circle, a full one), places tell the values: nothing depends on colour.
"""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.text import plain
from trainwell.reports.picture import ALARM, FAINT, INK, MUTED, PAPER, TRAIN, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from trainwell.contract.trace import SignalRecord

MOST_LAYERS = 24
ROW_INCHES = 0.24
LONGEST_NAME = 26
# The change of a weight over its size, in a step that is neither idle nor wild (TheDeepChecker; gradsnitch).
USUAL_UPDATES = (1e-4, 1e-2)
# Smaller values stand at the left edge, larger ones at the right.
LEAST, MOST = 1e-12, 1e8
# Units dead or saturated to this share are told of.
TOLD_FROM, MOST_TOLD = 0.2, 4


def layers_of(signals: Sequence[SignalRecord]) -> list[str]:
    """The tensors that were looked at, from the input to the output; evenly chosen where there are many."""
    names = list(dict.fromkeys(name for record in signals for name in record.grad_norms))
    if len(names) <= MOST_LAYERS:
        return names
    return [names[round(place * (len(names) - 1) / (MOST_LAYERS - 1))] for place in range(MOST_LAYERS)]


def draw_flow(left: Axes, right: Axes, signals: Sequence[SignalRecord]) -> None:
    """Draw the gradient norms (left) and the update ratios (right) of all layers.

    Args:
        left: Panel of the gradients; its rows are named.
        right: Panel of the updates.
        signals: The looks, in order; not empty.
    """
    names = layers_of(signals)
    first, last = signals[0].step, signals[-1].step
    _rows(left, names, [record.grad_norms for record in signals])
    _rows(right, names, [record.update_ratios for record in signals], usual=USUAL_UPDATES)
    style(left, x_label=f"gradient norm   \u25cb step {first}   \u25cf step {last}   line: all looks", y_label="")
    style(right, x_label="change of the weights in a step, over their size", y_label="")
    for axes, shown in ((left, True), (right, False)):
        axes.set_yticks(range(len(names)), [_cut(name) for name in names] if shown else [""] * len(names))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", colors=INK, labelsize=8.5)
        axes.set_xscale("log")


def _cut(name: str) -> str:
    shown = plain(name, 200)
    return shown if len(shown) <= LONGEST_NAME else f"\u2026{shown[1 - LONGEST_NAME :]}"


def _rows(
    axes: Axes, names: list[str], looks: list[dict[str, float]], *, usual: tuple[float, float] | None = None
) -> None:
    if usual is not None:
        axes.axvspan(*usual, color=FAINT, zorder=1)
        axes.text(usual[0], 1.01, " usual", transform=axes.get_xaxis_transform(), fontsize=8, color=MUTED, va="bottom")
    for row, name in enumerate(names):
        values = [look[name] for look in looks if name in look]
        good = [min(max(value, LEAST), MOST) for value in values if math.isfinite(value)]
        if good:
            axes.plot([min(good), max(good)], [row, row], color=TRAIN, linewidth=1.2, alpha=0.6, zorder=3)
            axes.plot(
                good[0], row, "o", markersize=6.5, color=PAPER, markeredgecolor=TRAIN, markeredgewidth=1.5, zorder=4
            )
            axes.plot(good[-1], row, "o", markersize=5, color=TRAIN, zorder=5)
        if len(good) < len(values):
            axes.text(
                0.99, row, "NaN", transform=axes.get_yaxis_transform(), fontsize=8, fontweight="bold", color=ALARM,
                ha="right", va="center", zorder=6,
            )  # fmt: skip


def units_in_words(signals: Sequence[SignalRecord]) -> str:
    """The layers whose units are dead or saturated at the last look, the worst first; empty where none are."""
    told: list[tuple[float, str]] = []
    for kind in ("dead", "saturated"):
        known: list[dict[str, float]] = [vars(one)[kind] for one in signals if vars(one)[kind]]
        shares = known[-1] if known else {}
        told += [(share, f"{_cut(name)} {share:.0%} {kind}") for name, share in shares.items() if share >= TOLD_FROM]
    return ", ".join(text for _, text in sorted(told, reverse=True)[:MOST_TOLD])
