"""A diagnosis in one picture: curves with the findings marked, the flow of gradients, the confusion that grew."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.reports import classes, flow
from trainwell.reports.curves import draw_both, facts
from trainwell.reports.marks import LINE_INCHES, marks_of, write_marks
from trainwell.reports.picture import HEADING_INCHES, MUTED, new_figure, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import EpochRecord, SignalRecord

WIDTH, CURVES_INCHES = 10.4, 3.5
# Below each block of panels: its ticks, its label and room.
BELOW_INCHES = 0.75
# Between the left edge and the panels of layers and classes stand their names.
NAMES_INCHES = 2.1
# Right of the classes stands what is told of them.
TOLD_INCHES = 3.0


def draw_diagnosis(
    epochs: Sequence[EpochRecord], signals: Sequence[SignalRecord], findings: Sequence[Finding], path: Path, *,
    title: str, score_name: str = "val_accuracy",
) -> Path:  # fmt: skip
    """Draw what is known of a run; blocks without numbers are left out.

    Args:
        epochs: The recorded epochs, in order; may be empty.
        signals: The steps that were looked at closely, in order; may be empty.
        findings: Marked where they happened.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading, cut.
        score_name: The score to show.

    Returns:
        `path`.
    """
    marks = marks_of(findings, epochs)
    flowing = [record for record in signals if record.grad_norms]
    layers = len(flow.layers_of(flowing)) * flow.ROW_INCHES + 0.3 if flowing else 0.0
    rows = len(classes.chosen(epochs)) * classes.ROW_INCHES + 0.2 if classes.has_classes(epochs) else 0.0
    blocks = [CURVES_INCHES, LINE_INCHES * len(marks) - BELOW_INCHES + 0.2 if marks else 0.0, layers, rows]
    height = HEADING_INCHES + sum(block + BELOW_INCHES for block in blocks if block)
    figure = new_figure(WIDTH, height, title, facts(epochs, score_name))
    top = height - HEADING_INCHES
    left, right = (_panel(figure, x, top - CURVES_INCHES, 4.5, CURVES_INCHES) for x in (0.75, 5.75))
    draw_both(left, right, epochs, score_name, marks)
    top -= CURVES_INCHES + BELOW_INCHES
    write_marks(figure, marks, top)
    top -= LINE_INCHES * len(marks) + (0.2 if marks else 0)
    if flowing:
        _draw_flow(figure, flowing, top, layers)
        top -= layers + BELOW_INCHES
    if rows:
        classes.draw_classes(_panel(figure, NAMES_INCHES, top - rows, WIDTH - NAMES_INCHES - TOLD_INCHES, rows), epochs)
    return write(figure, path)


def _draw_flow(figure: Figure, signals: Sequence[SignalRecord], top: float, inches: float) -> None:
    each = (WIDTH - NAMES_INCHES - 0.7) / 2
    panels = [_panel(figure, NAMES_INCHES + x, top - inches, each, inches) for x in (0.0, each + 0.3)]
    flow.draw_flow(panels[0], panels[1], signals)
    if words := flow.units_in_words(signals):
        panels[0].set_title(f"units: {words}", fontsize=9, color=MUTED, loc="left", parse_math=False)


def _panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes((left / whole_width, bottom / whole_height, width / whole_width, height / whole_height))
