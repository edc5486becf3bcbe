"""Networks of one shape side by side, as one: their weights are stacked, and a batch passes all of them at once.

Many small products cost a CPU and a GPU more than one large one does, so that M small networks take much less than M
times the time of one. `x` is (B, F), the same rows for all members, or (M, B, F).
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwell.architectures._stack import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainwell.contract.specs import Task


class MemberLinear(nn.Module):
    """A linear layer for each member. x: (B, in) or (M, B, in). Returns: (M, B, out).

    Args:
        layers: Those of the members, of one shape.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().t() for layer in layers]))
        biases = [layer.bias.detach().unsqueeze(0) for layer in layers if layer.bias is not None]
        self.bias = nn.Parameter(torch.stack(biases)) if biases else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if x.ndim == 2:
            x = x.expand(len(self.weight), -1, -1)
        return torch.bmm(x, self.weight) if self.bias is None else torch.baddbmm(self.bias, x, self.weight)


class MemberNorm(nn.BatchNorm1d):
    """Batch norm for each member, which sees its own values. x: (M, B, F). Returns: the same shape."""

    def __init__(self, members: int, features: int) -> None:
        super().__init__(members * features)
        self.members = members

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See the class."""
        members, rows, features = x.shape
        normed = super().forward(x.transpose(0, 1).reshape(rows, members * features))
        return normed.view(rows, members, features).transpose(0, 1)


class MemberDropout(nn.Module):
    """Dropout at a share of its own for each member. x: (M, B, F). Returns: the same shape."""

    keep: Tensor

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("keep", 1 - torch.tensor(shares).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * (torch.rand_like(x) < self.keep) / self.keep if self.training else x


class Members(Stack):
    """Networks side by side whose mean is the answer; in training each answers for itself, and learns for itself.

    Each member's loss is its own, not that of the mean: members that only mended each other's faults would not do
    well alone, and their mean would not do well on new rows.

    Args:
        entry: From the inputs to what the first layer takes, shared by all.
        layers: Of the members, by name.
        members: M.
        task: What the outputs mean, and so what their mean is.
    """

    def __init__(self, entry: nn.Module, layers: OrderedDict[str, nn.Module], members: int, task: Task) -> None:
        super().__init__(entry, layers)
        self.members = members
        self.task: Task = task

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs (B, ...). Returns: (M * B, K) in training, member after member; else (B, K)."""
        each = super().forward(*inputs)
        return each.flatten(0, 1) if self.training else mean_of(each, self.task)


def mean_of(outputs: Tensor, task: Task) -> Tensor:
    """What the members say together: the mean of their probabilities, as logits, or of their values.

    Args:
        outputs: (M, B, K).
        task: classification, multilabel, or what is measured.

    Returns: (B, K).
    """
    if task == "classification":
        return outputs.log_softmax(2).logsumexp(0)
    if task == "multilabel":
        log = nn.functional.logsigmoid
        return log(outputs).logsumexp(0) - log(-outputs).logsumexp(0)
    return outputs.mean(0)


def side_by_side(networks: Sequence[Mapping[str, nn.Module]]) -> OrderedDict[str, nn.Module]:
    """Layers that stand for those of all networks, of one kind and shape at each name; linear ones come first.

    Args:
        networks: The layers of each member by name: linear, batch norm, dropout and activations.
    """
    stacked: OrderedDict[str, nn.Module] = OrderedDict()
    for name, first in networks[0].items():
        stacked[name] = _stacked(first, [layers[name] for layers in networks])
    return stacked


def _stacked(first: nn.Module, layers: Sequence[nn.Module]) -> nn.Module:
    if isinstance(first, nn.Linear):
        return MemberLinear([layer for layer in layers if isinstance(layer, nn.Linear)])
    if isinstance(first, nn.BatchNorm1d):
        return MemberNorm(len(layers), first.num_features)
    if isinstance(first, nn.Dropout):
        shares = [layer.p for layer in layers if isinstance(layer, nn.Dropout)]
        return nn.Dropout(first.p) if len(set(shares)) == 1 else MemberDropout(shares)
    return first
