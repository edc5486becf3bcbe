"""What a network looks at: columns, channels and windows by shuffling them, images by gradients, texts word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.evaluation.explaining.explained import Explained
from trainwell.evaluation.explaining.occlusion import explain_texts
from trainwell.evaluation.explaining.permutation import explain_columns
from trainwell.evaluation.explaining.saliency import INTEGRATED, explain_images

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays

__all__ = ["Explained", "explain"]


def explain(
    module: nn.Module, prepared: PreparedData, arrays: SplitArrays, *, raw: Path, picture: tuple[Path, str] | None,
    method: str = INTEGRATED,
) -> Explained:  # fmt: skip
    """Say what a network's answers rest on.

    Args:
        module: The network; its mode and device stay as they are.
        prepared: The data that it was trained on.
        arrays: Rows that it was not trained on.
        raw: Parquet file with the raw columns of the same rows; texts are read from it.
        picture: Where a picture goes, and its title.
        method: Of images: `integrated_gradients`, `gradient_shap` or `occlusion`.

    Raises:
        TrainwellError: `task_not_supported`, `wrong_for_data`, `extra_missing`, `no_raw_rows`, `no_labelled_rows`.
    """
    roles = {spec.role for spec in prepared.inputs}
    if prepared.task == "reconstruction":
        raise TrainwellError(
            "task_not_supported", "Of a network that gives its inputs back there is nothing to explain.",
            argument="run", got=prepared.task, hint="evaluate names the rows that come back worst.",
            next_call=next_call("evaluate", run="latest"),
        )  # fmt: skip
    if "image" in roles:
        return explain_images(module, prepared, arrays, method, picture)
    if method != INTEGRATED:
        raise TrainwellError(
            "wrong_for_data", "Only images are explained by this method.", argument="method", got=method,
            hint="Leave it out: columns are shuffled, words taken away.",
        )  # fmt: skip
    if "tokens" in roles:
        return explain_texts(module, prepared, arrays, raw, picture)
    return explain_columns(module, prepared, arrays, picture)
