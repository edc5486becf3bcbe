"""What the families for images share: the way in, the size of a picture, weights at the start, and training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from trainwell.architectures._entry import Normalise, num_features
from trainwell.architectures._init import OUTPUT_STD
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Recipe

if TYPE_CHECKING:
    from trainwell.contract.specs import Role, Shapes, TensorSpec

ACCEPTS: frozenset[Role] = frozenset({"image", "features"})
MOST_CHANNELS = 4  # of a picture whose channels come last; more is a side
# The scale of the last norm of a residual branch at the start. He et al. 2019 (arXiv 1812.01187) and Goyal et al. 2017
# (arXiv 1706.02677) take 0: the block then begins as the identity. This is as good as that, and yet the layers below
# get a gradient at the first step.
BRANCH_START = 0.01
# (rows up to, epochs): a small set is passed over more often.
EPOCHS_BY_ROWS = ((500, 60), (2_000, 40), (10_000, 20), (40_000, 15))
EPOCHS_OF_MANY = 10
MOST_AUGMENTED_SIDE = 8  # a smaller picture has no room to be shifted or turned


class Picture(nn.Module):
    """The one input as (B, C, H, W) float32 numbers around 0.

    Args:
        spec: An image, or features of 2 or 3 dimensions: (H, W), (C, H, W) or (H, W, C).
    """

    def __init__(self, spec: TensorSpec) -> None:
        super().__init__()
        self.normalise = Normalise(spec) if spec.role == "image" else None
        self.flat = len(spec.shape) == 2
        self.channels_last = spec.role != "image" and _channels_last(spec.shape)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.normalise is not None:
            return self.normalise(x)
        x = x if x.is_floating_point() else x.float()
        if self.flat:
            return x.unsqueeze(1)
        return x.permute(0, 3, 1, 2) if self.channels_last else x


def picture(shapes: Shapes) -> tuple[int, int, int]:
    """Channels, height and width of the one input.

    Raises:
        TrainwellError: `no_inputs`; `architecture_does_not_fit` when the input is no picture.
    """
    num_features(shapes)
    first = shapes.inputs[0]
    if len(shapes.inputs) > 1 or len(first.shape) not in (2, 3):
        got = [list(spec.shape) for spec in shapes.inputs]
        raise TrainwellError(
            "architecture_does_not_fit", "This family takes one input that is a picture.", argument="architecture",
            got=got, allowed="one input of shape (H, W), (C, H, W) or (H, W, C)", hint="Take auto, or mlp.",
        )  # fmt: skip
    one, two, *rest = first.shape
    if not rest:
        return 1, one, two
    return (rest[0], one, two) if first.role != "image" and _channels_last(first.shape) else (one, two, rest[0])


def require_side(sides: tuple[int, int], least: int, argument: str, what: str) -> None:
    """Refuse options that would shrink the picture to nothing.

    Raises:
        TrainwellError: `invalid_option`.
    """
    if min(sides) < least:
        raise TrainwellError(
            "invalid_option", f"{argument}: a picture of {sides[0]} x {sides[1]} is too small for these {what}.",
            argument=argument, got=list(sides), allowed=f"pictures of {least} pixels a side or more",
            hint="Take fewer, or prepare the data with a larger options.size.",
        )  # fmt: skip


def side(shapes: Shapes) -> int:
    """The shorter side of the picture."""
    return min(picture(shapes)[1:])


def small_output(width: int, outputs: int) -> nn.Linear:
    """The last layer, which starts small: the loss begins at that of a network that knows nothing."""
    layer = nn.Linear(width, outputs)
    nn.init.normal_(layer.weight, std=OUTPUT_STD / width**0.5)
    nn.init.zeros_(layer.bias)
    return layer


def epochs_for(shapes: Shapes) -> int:
    """Passes over the training rows that suit their number."""
    rows = shapes.rows or EPOCHS_BY_ROWS[-1][0]
    return next((epochs for most, epochs in EPOCHS_BY_ROWS if rows <= most), EPOCHS_OF_MANY)


def safe_augmentations(shapes: Shapes) -> tuple[str, ...]:
    """Changes that leave the meaning of any picture alone.

    A mirrored 2 or b is another sign, and what a picture measures may hang on where things stand in it: so there is no
    flip unless it is asked for, and nothing at all for regression and reconstruction.
    """
    if shapes.task not in {"classification", "multilabel"} or shapes.inputs[0].role != "image":
        return ()
    return ("crop", "rotate") if side(shapes) > MOST_AUGMENTED_SIDE else ()


def recipe(shapes: Shapes, *, lr: float, epochs: float = 1.0, weight_decay: float | None = None) -> Recipe:
    """The way of training that the families for images share.

    Args:
        shapes: What is learnt.
        lr: Peak rate of AdamW.
        epochs: Factor on the usual number of epochs.
        weight_decay: Where the general one is not the best.
    """
    classes = shapes.task == "classification"
    return Recipe(
        epochs=max(1, round(epochs * epochs_for(shapes))),
        lr=lr,
        weight_decay=weight_decay,
        label_smoothing=0.1 if classes else None,
        augment=safe_augmentations(shapes),
    )


def _channels_last(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[2] <= MOST_CHANNELS < shape[0]


def told(shapes: Shapes) -> str:
    """The picture and its rows, for notes."""
    channels, height, width = picture(shapes)
    rows = "" if shapes.rows is None else f" and {shapes.rows:,} training rows"
    return f"pictures of {height} x {width} in {channels} channel{'s' if channels > 1 else ''}{rows}"
