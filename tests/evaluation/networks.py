"""Networks whose answers a test knows: the inputs are the outputs."""

import numpy as np
import torch
from torch import nn

from trainwell.data import SplitArrays

torch.set_num_threads(1)


class Echo(nn.Module):
    """Gives its first input back; in training mode it gives zeros, so that a wrong mode is noticed."""

    def forward(self, x):
        return torch.zeros_like(x) if self.training else x


def arrays(outputs, target, rows=None):
    outputs, target = np.asarray(outputs, dtype=np.float32), np.asarray(target)
    rows = np.arange(len(target)) if rows is None else np.asarray(rows)
    return SplitArrays(inputs=(outputs,), target=target, rows=rows)
