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


_BYTE, _WORD_BYTES, _ALL_WORDS = 256, 8, (-(2**63), 2**63 - 1)


class MemberLinear(nn.Module):
    """A linear layer for each member. x: (B, in) or (M, B, in). Returns: (M, B, out).

    Args:
        layers: Those of the members, of one shape.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().t() for layer in layers]))
        biases = [
            parameter.detach() for layer in layers for name, parameter in layer.named_parameters() if name == "bias"
        ]
        # One after another, as a vector: to decay and to the rules it is a bias, and no matrix of equal rows.
        self.bias = nn.Parameter(torch.cat(biases)) if biases else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        members, _, width = self.weight.shape
        if x.ndim == 2:
            x = x.expand(members, -1, -1)
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias.view(members, 1, width), x, self.weight)


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


class MemberDropout(nn.Dropout):
    """Dropout at a share of its own for each member, in 256ths. x: (M, B, F). Returns: the same shape.

    One random byte decides on a value: on a CPU, drawing a float for each would take as long as all products.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__(max(shares))
        self.kept = [[[max(1, round(_BYTE * (1 - share)))]] for share in shares]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """See the class."""
        if not self.training:
            return input
        x, kept = input, torch.tensor(self.kept, device=input.device)
        words = torch.empty(-(-x.numel() // _WORD_BYTES), dtype=torch.int64, device=x.device).random_(*_ALL_WORDS)
        drawn = words.view(torch.uint8)[: x.numel()].view(x.shape)
        # 256 is no byte: a byte of at most one less than `kept` is kept.
        return x * ((drawn <= (kept - 1).to(torch.uint8)) * (_BYTE / kept))


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
        return MemberDropout([layer.p for layer in layers if isinstance(layer, nn.Dropout)])
    return first
