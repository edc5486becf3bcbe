"""What a network says of rows that nobody knows the answer to, in the words and units of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.evaluation import tasks
from trainwell.evaluation.outputs import check_inputs, outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.outputs import Array
    from trainwell.evaluation.tasks import Predicted


def predict(module: nn.Module, prepared: PreparedData, inputs: Sequence[Array]) -> Predicted:
    """Predict rows that were encoded as the training rows were.

    Args:
        module: The network; its mode and device stay as they are.
        prepared: The data that it was trained on.
        inputs: One (B, ...) array for each of `prepared.inputs`.

    Raises:
        TrainwellError: `wrong_input_shape`.
    """
    check_inputs(prepared, inputs)
    raw = np.concatenate([np.zeros((0, prepared.num_outputs)), *outputs(module, inputs)])
    return tasks.judge(prepared).predicted(raw, inputs)
