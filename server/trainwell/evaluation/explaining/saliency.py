"""Where in an image an answer comes from: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365).

The path leads from the mean image of the training part to the image; the attributions of all pixels add up to the
difference of the outputs at its ends. Other methods are captum's, see `by_captum`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell.evaluation import tasks
from trainwell.evaluation.explaining import by_captum
from trainwell.evaluation.explaining.explained import Explained, ranked, some_rows
from trainwell.evaluation.scored import score_rows
from trainwell.reports.saliency import draw_saliency

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.metrics import Floats

    Outputs = Callable[[Tensor], Tensor]
    OfRow = Callable[[Outputs, Tensor, Tensor, int], Tensor]

# What needs no further library.
INTEGRATED = "integrated_gradients"
MOST_ROWS, SHOWN = 48, 6
STEPS = 24
# Values of a batch on the path.
MOST_VALUES = 4_000_000
_REGIONS = tuple(f"{up} {side}".strip() for up in ("upper", "middle", "lower") for side in ("left", "centre", "right"))


def explain_images(
    module: nn.Module, prepared: PreparedData, arrays: SplitArrays, method: str, picture: tuple[Path, str] | None
) -> Explained:
    """Attribute the answers to pixels; told as shares of nine regions, drawn as overlays.

    Raises:
        TrainwellError: `no_labelled_rows`, `extra_missing`.
    """
    of_row, how = _method(method)
    place = next(number for number, spec in enumerate(prepared.inputs) if spec.role == "image")
    some = some_rows(arrays, MOST_ROWS)
    judge = tasks.judge(prepared)
    scored = score_rows(module, prepared, some, judge)
    images = some.inputs[place][scored.places]
    spec = prepared.inputs[place]
    rows = [one[scored.places] for one in some.inputs]
    found = attributions(module, rows, place, spec.mean or None, of_row)
    strength = np.abs(found).sum(axis=1)  # (rows, H, W)
    shares = _shares(strength)
    order = np.argsort(-scored.loss, kind="stable")
    shown = [int(one) for one in (*order[: SHOWN // 2], *order[len(order) // 2 :][: SHOWN - SHOWN // 2])]
    examples = [_example(judge.row(scored, one), int(scored.rows[one]), shares[:, one]) for one in dict.fromkeys(shown)]
    if picture is not None:
        names = [_name(one) for one in examples]
        chosen = list(dict.fromkeys(shown))
        draw_saliency(images[chosen], strength[chosen], names, picture[0], title=picture[1])
    notes = ["This says which pixels moved the output, not whether they should have."]
    return Explained(how, "Share of the attribution", len(scored), ranked(_REGIONS, shares), notes, examples)


def attributions(
    module: nn.Module, inputs: list[Any], place: int, start: tuple[float, ...] | None, of_row: OfRow
) -> Floats:
    """What each value of one input adds to the largest output of each row.

    Args:
        module: The network, in any mode; it is asked in evaluation mode.
        inputs: Arrays (rows, ...).
        place: The input that is explained, (rows, C, H, W).
        start: What each channel of an image that says nothing holds; 0 when None.
        of_row: From what gives (N, outputs) for images (N, C, H, W), an image, the image that says nothing, and the
            output that is meant: what each value added, (1, C, H, W).

    Returns:
        (rows, C, H, W).
    """
    parameter = next(module.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    was_training = module.training
    module.eval()
    out: list[Floats] = []
    try:
        for row in range(len(inputs[0])):
            one = [torch.from_numpy(np.array(array[row : row + 1])).to(device) for array in inputs]
            out.append(_of_row(module, one, place, start, of_row))
    finally:
        module.train(was_training)
    return np.concatenate(out) if out else np.zeros(inputs[place].shape)


def _of_row(
    module: nn.Module, inputs: list[Tensor], place: int, start: tuple[float, ...] | None, of_row: OfRow
) -> Floats:
    image = inputs[place].float()
    first = torch.zeros_like(image)
    if start is not None:
        first += torch.tensor(start, device=image.device).view(1, -1, 1, 1)

    def outputs(images: Tensor) -> Tensor:
        given = [one.expand(len(images), *one.shape[1:]) for one in inputs]
        given[place] = images
        return module(*given).reshape(len(images), -1)

    with torch.no_grad():
        chosen = int(module(*inputs).reshape(-1).argmax())
    return of_row(outputs, image, first, chosen).detach().to("cpu", torch.float64).numpy()


def integrated_gradients(outputs: Outputs, image: Tensor, first: Tensor, chosen: int) -> Tensor:
    """The gradient along the straight path from one image to the other; sums to the difference of their outputs."""
    total = torch.zeros_like(image)
    batch = max(1, min(STEPS, MOST_VALUES // image.numel()))
    # The middles of equal parts of the path: the error falls with the square of their number.
    shares = (torch.arange(STEPS, device=image.device) + 0.5) / STEPS
    for part in shares.split(batch):
        path = (first + part.view(-1, 1, 1, 1) * (image - first)).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(outputs(path)[:, chosen].sum(), path)
        total += gradient.sum(dim=0, keepdim=True)
    return total / STEPS * (image - first)


def _method(name: str) -> tuple[OfRow, str]:
    """How a row is attributed, and that in words."""
    if name == INTEGRATED:
        return integrated_gradients, f"integrated gradients from the mean image, {STEPS} steps"
    return by_captum.method(name)


def _shares(strength: Floats) -> Floats:
    """(9, rows): how much of a row's attribution lies in each of 3 x 3 regions."""
    total = np.maximum(strength.sum(axis=(1, 2)), 1e-300)
    rows = np.array_split(np.arange(strength.shape[1]), 3)
    columns = np.array_split(np.arange(strength.shape[2]), 3)
    return np.stack([strength[:, up][:, :, side].sum(axis=(1, 2)) / total for up in rows for side in columns])


def _example(told: dict[str, Any], row: int, shares: Floats) -> dict[str, Any]:
    top = np.argsort(-shares, kind="stable")[:2]
    return {"row": row, **told, "looks_at": [f"{_REGIONS[one]} {shares[one]:.0%}" for one in top]}


def _name(example: dict[str, Any]) -> str:
    return f"row {example['row']}: {example.get('true')} as {example.get('predicted')}"
