"""Other ways to attribute an answer to pixels, by the library captum (extra `explain`)."""

# captum's own types say little.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from trainwell.contract.errors import extra_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Outputs = Callable[[Tensor], Tensor]
    OfRow = Callable[[Outputs, Tensor, Tensor, int], Tensor]

# Noisy copies of an image, and how noisy beside its own deviation.
SAMPLES, NOISE = 24, 0.1
# A patch is this part of a side, moved by half of itself; so many covered images are asked at once.
PATCH, AT_ONCE = 8, 16


def method(name: str) -> tuple[OfRow, str]:
    """How a row is attributed, and that in words.

    Raises:
        TrainwellError: `extra_missing`.
    """
    if find_spec("captum") is None:
        raise extra_missing("captum", "explain", "method")
    return {
        "gradient_shap": (_gradient_shap, f"gradient SHAP around the image, {SAMPLES} noisy copies"),
        "occlusion": (_occlusion, f"occlusion by patches of 1/{PATCH} of a side in the mean colour"),
    }[name]


def _gradient_shap(outputs: Outputs, image: Tensor, first: Tensor, chosen: int) -> Tensor:
    """Expected gradients of noisy copies (Lundberg & Lee 2017, arXiv 1705.07874); the same each time."""
    from captum.attr import GradientShap  # noqa: PLC0415 - an extra

    devices = [image.device] if image.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        noise = NOISE * float(image.std())
        return GradientShap(outputs).attribute(image, first, n_samples=SAMPLES, stdevs=noise, target=chosen)


def _occlusion(outputs: Outputs, image: Tensor, first: Tensor, chosen: int) -> Tensor:
    """By how much the output falls when a patch is covered (Zeiler & Fergus 2014, arXiv 1311.2901)."""
    from captum.attr import Occlusion  # noqa: PLC0415 - an extra

    channels, height, width = image.shape[1:]
    patch = (channels, max(1, height // PATCH), max(1, width // PATCH))
    steps = (channels, max(1, patch[1] // 2), max(1, patch[2] // 2))
    with torch.no_grad():
        return Occlusion(outputs).attribute(
            image, sliding_window_shapes=patch, strides=steps, baselines=first, target=chosen,
            perturbations_per_eval=AT_ONCE,
        )  # fmt: skip
