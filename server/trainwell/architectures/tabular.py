"""Strong networks for tables: a few side by side whose mean is the answer, on numbers beside lines that bend.

A plain network sees a column as a straight line and finds it hard to learn what goes up and down along it; trees do
not. The curves give it that: beside every number enter a few lines along it that bend at its knots (see `data.table.
knots`), as far as they learn to. Where the data has no knots, cosines cos(2 pi (f x + p)) with learnt frequencies f and
phases p do the same less well: on phoneme, one split, two members, accuracy was 0.886 with cosines, 0.915 with curves,
and 0.903 with boosted trees. Then come layers with batch norm. Below 1,000 rows plain layers without either did better.
The members start from weights of their own and learn for themselves; what each gets wrong by chance, their mean
does not.

Test accuracy (r2 of the last four) with nothing chosen, from one run of `make quality`, beside the better of
LightGBM and scikit-learn's boosted trees as they come, which fit training and validation rows together. Leads below
about 0.002 are inside the noise: magic came out as 0.882 and 0.885 with the same seed and other threads.

| table (rows) | tabular | trees | | table | tabular | trees |
|---|---|---|---|---|---|---|
| letter (20,000) | 0.976 | 0.967 | | segment (2,310) | 0.981 | 0.986 |
| magic (19,020) | 0.882 | 0.884 | | phoneme (5,404) | 0.901 | 0.897 |
| digits (1,797) | 0.977 | 0.976 | | spambase (4,597) | 0.959 | 0.961 |
| vehicle (846) | 0.824 | 0.781 | | satimage (6,435) | 0.912 | 0.922 |
| breast cancer (569) | 0.979 | 0.968 | | adult (48,842) | 0.870 | 0.871 |
| wine (178) | 0.983 | 0.981 | | iris (150) | 0.940 | 0.950 |
| diamonds (53,940) | 0.983 | 0.982 | | bikeshare (8,645) | 0.947 | 0.942 |
| autompg (392) | 0.883 | 0.877 | | diabetes (442) | 0.536 | 0.459 |

Curves are no gain everywhere: on satimage cosines reached 0.919, and neither smoother starts of the curves nor cosines
beside them helped. An average of the weights (`ema` 0.99, 0.9 for few rows) is better on noisy tables (magic
0.890, spambase 0.961; log loss 0.299 to 0.289 on magic, 0.499 to 0.490 over eight small tables of KEEL) and worse on
others (adult 0.867, segment 0.979), so that it stays a choice. Members, decay, smoothing and most dropout were chosen
on other tables (KEEL's vowel, sonar, german, pima, contraceptive, movement_libras, banana and page-blocks; Boston).
Tables of mostly categories are soon known by heart; their dropout and epochs were chosen within adult's training and
validation rows, and tried on COMPAS, one split each. There accuracy rose from 0.856 to 0.866 (together with 128 pieces
for each number, and in 16 epochs) and from 0.686 to 0.703. A member costs nearly the time of one network: letter about
a minute of one core.

Sources: numerical embeddings, piecewise linear and periodic, Gorishniy et al. 2022 (arXiv 2203.05556); small
frequencies at the start, a learnt scale of each column and smoothed classes, RealMLP, Holzmüller et al. 2024 (arXiv
2407.04491); members that are trained side by side, each by its own loss, TabM, Gorishniy et al. 2024 (arXiv
2410.24210). TabM's members share their weights but for factors of rows and columns; members of their own cost the
same, and each way won on two of four tables.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from trainwell.architectures._activations import ACTIVATIONS, Activation
from trainwell.architectures._entry import flat, num_features
from trainwell.architectures._init import Init, initialise, scheme
from trainwell.architectures._members import Members, side_by_side
from trainwell.architectures._stack import Stack
from trainwell.contract.specs import Recipe, Shapes, Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCEPTS = frozenset({"features", "categories"})

Width = Annotated[int, Field(ge=1, le=1_000_000_000)]

HIDDEN = (256, 256, 256)
FEW_ROWS, FEW_ROWS_HIDDEN = 1_000, (128, 128)
FEW_ROWS_DROPOUT, DROPOUT = 0.2, 0.1
# Where most inputs are zeros and ones of categories, rows are soon known by heart: more is dropped, and it ends sooner.
CATEGORIES_DROPOUT, CATEGORIES_EPOCHS = 0.3, 20
# How it learns best: smoothed classes, more decay than others, and few rows seen more often.
LABEL_SMOOTHING, WEIGHT_DECAY = 0.1, 0.03
OFTEN_BELOW_ROWS, OFTEN_EPOCHS = 640, 100
CURVES, FREQUENCIES = 8, 6
# More inputs than this are mostly zeros and ones of categories, and cosines of them would only cost time.
MOST_EMBEDDED_INPUTS = 100
# Each member costs nearly the time of one network; the first few bring most of the gain.
FEW_ROWS_MEMBERS, MEMBERS = 8, 4
# Below so many training rows the statistics of small batches are too noisy to help (see `mlp`).
BATCH_NORM_FROM_ROWS = 1_000
# The scale of a column learns this many times faster than weights do.
SCALE_RATE = 6.0


class Config(Spec):
    """Options of `tabular`."""

    hidden_dims: tuple[Width, ...] | None = Field(
        default=None, min_length=1, max_length=64, description="Widths of the hidden layers; 256, 256, 256 if left out"
    )
    members: int | None = Field(
        default=None, ge=1, le=64, description="Networks side by side whose mean is the answer; by the rows if left out"
    )
    curves: int | None = Field(
        default=None, ge=0, le=64, description="Bent lines beside each number of a table; 8 if left out, 0 is none"
    )
    frequencies: int | None = Field(
        default=None, ge=0, le=64, description="Cosines beside each value; 6 if left out where no curves are, 0 is none"
    )
    frequency_scale: float = Field(
        default=0.15, gt=0, le=10, description="Spread of the frequencies at the start; more follows finer structure"
    )
    dropout: float | None = Field(
        default=None, ge=0, le=0.9, description="Share of hidden values dropped in training; by the rows if left out"
    )
    batch_norm: bool | None = Field(
        default=None, description="Batch norm before each activation; if left out on from 1,000 training rows"
    )
    activation: Activation = Field(default="relu", description="Behind each hidden layer")
    init: Init = Field(default="auto", description="Weights at the start; auto fits the activation")


class Cosines(nn.Module):
    """Numbers beside cosines of them. x: (B, F). Returns: (B, F * (1 + frequencies)).

    Args:
        features: F.
        frequencies: Cosines of each number.
        spread: Standard deviation of the frequencies at the start, in turns per unit of x.
    """

    def __init__(self, features: int, frequencies: int, spread: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((features,), 1 / SCALE_RATE))
        self.frequency = nn.Parameter(torch.empty(features, frequencies))
        self.phase = nn.Parameter(torch.empty(features, frequencies))
        nn.init.normal_(self.frequency, std=2 * math.pi * spread)
        nn.init.uniform_(self.phase, -math.pi, math.pi)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        waves = torch.cos(torch.addcmul(self.phase, x.unsqueeze(2), self.frequency))
        return torch.cat([x * (self.scale * SCALE_RATE), waves.flatten(1)], dim=1)


class Curves(nn.Module):
    """Numbers beside lines along each that bend at its knots, as the network learns. x: (B, F). Returns: (B, width).

    Args:
        knots: For each of the F values its knots, ascending; none for one that has no curves.
        curves: Lines along each value that has knots.
    """

    start: Tensor
    slope: Tensor
    places: Tensor

    def __init__(self, knots: Sequence[Sequence[float]], curves: int) -> None:
        super().__init__()
        places = [place for place, some in enumerate(knots) if some]
        most = max(len(knots[place]) for place in places) - 1
        start, slope = torch.zeros(len(places), most), torch.zeros(len(places), most)
        for row, place in enumerate(places):
            edges = torch.tensor(knots[place])
            start[row, : len(edges) - 1] = edges[:-1]
            slope[row, : len(edges) - 1] = 1 / edges.diff()
        self.register_buffer("places", torch.tensor(places))
        self.register_buffer("start", start)
        self.register_buffer("slope", slope)
        self.scale = nn.Parameter(torch.full((len(knots),), 1 / SCALE_RATE))
        self.rise = nn.Parameter(torch.empty(len(places), most, curves))
        nn.init.normal_(self.rise, std=most**-0.5)
        self.width = len(knots) + len(places) * curves

    def forward(self, x: Tensor) -> Tensor:
        """See the class. How far a value has come through each piece, in [0, 1], times the rise of each line in it."""
        passed = ((x[:, self.places].unsqueeze(2) - self.start) * self.slope).clamp(0, 1)  # (B, columns, pieces)
        lines = torch.bmm(passed.transpose(0, 1), self.rise).transpose(0, 1)  # (B, columns, curves)
        return torch.cat([x * (self.scale * SCALE_RATE), lines.flatten(1)], dim=1)


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Choose what was left out, from the shapes."""
    features = num_features(shapes)
    few = shapes.rows is not None and shapes.rows < FEW_ROWS
    chosen: dict[str, object] = {}
    notes: list[str] = []
    if config.hidden_dims is None:
        chosen["hidden_dims"] = FEW_ROWS_HIDDEN if few else HIDDEN
        told = "fewer than 1,000 training rows" if few else f"{features:,} input values"
        notes.append(f"hidden_dims {list(FEW_ROWS_HIDDEN if few else HIDDEN)}: chosen for {told}.")
    if config.members is None:
        chosen["members"] = _members(shapes)
        notes.append(f"members {chosen['members']}: networks side by side, whose mean is the answer.")
    if config.dropout is None:
        chosen["dropout"] = FEW_ROWS_DROPOUT if few else CATEGORIES_DROPOUT if _mostly_categories(shapes) else DROPOUT
    if config.curves is None:
        chosen["curves"] = CURVES if any(_knots(shapes)) and not few else 0
        if chosen["curves"]:
            notes.append(f"curves {CURVES}: each number enters with {CURVES} lines along it that bend as they learn.")
    if config.frequencies is None and chosen.get("curves", config.curves):
        chosen["frequencies"] = 0
    elif config.frequencies is None:
        chosen["frequencies"] = FREQUENCIES if features <= MOST_EMBEDDED_INPUTS and not few else 0
        notes.append(
            f"frequencies {FREQUENCIES}: each input value enters with {FREQUENCIES} cosines of it."
            if chosen["frequencies"]
            else f"frequencies 0: cosines do not help with {'so few rows' if few else f'{features:,} input values'}."
        )
    if config.batch_norm is None:
        enough = shapes.rows is None or shapes.rows >= BATCH_NORM_FROM_ROWS
        chosen["batch_norm"] = enough and config.activation != "selu"
        notes.append(f"batch_norm {'on' if chosen['batch_norm'] else 'off'}: chosen for the rows and the activation.")
    if config.init == "auto":
        chosen["init"] = scheme(ACTIVATIONS[config.activation]())
    return config.model_copy(update=chosen), notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network; several inputs are put side by side."""
    first: OrderedDict[str, nn.Module] = OrderedDict()
    width = num_features(shapes)
    knots = _knots(shapes)
    if config.frequencies:
        first["cosines"] = Cosines(width, config.frequencies, config.frequency_scale)
        width *= 1 + config.frequencies
    elif config.curves and any(knots):
        first["curves"] = Curves(knots, config.curves)
        width = first["curves"].width
    networks = [_layers(config, width, shapes.num_outputs) for _ in range(config.members or 1)]
    if len(networks) == 1:
        return Stack(flat(shapes), OrderedDict([*first.items(), *networks[0].items()]))
    first.update(side_by_side(networks))
    return Members(flat(shapes), first, len(networks), shapes.task)


def recipe(_config: Config, shapes: Shapes) -> Recipe:
    """Smoothed classes, more decay, and few rows seen more often."""
    smoothing = LABEL_SMOOTHING if shapes.task == "classification" else None
    most = CATEGORIES_EPOCHS if _mostly_categories(shapes) else None
    if shapes.rows is not None and shapes.rows < OFTEN_BELOW_ROWS:
        most = OFTEN_EPOCHS
    return Recipe(label_smoothing=smoothing, weight_decay=WEIGHT_DECAY, most_epochs=most)


def _knots(shapes: Shapes) -> list[tuple[float, ...]]:
    """The knots of each value that `flat` gives; none where the data has none."""
    knots: list[tuple[float, ...]] = []
    for spec in shapes.inputs:
        knots += spec.knots or [()] * num_features(shapes.model_copy(update={"inputs": (spec,)}))
    return knots


def _mostly_categories(shapes: Shapes) -> bool:
    """Whether classes are to be told from a table whose numbers are the fewer of its inputs."""
    bent = [bool(some) for some in _knots(shapes)]
    return shapes.task == "classification" and 0 < 2 * sum(bent) < len(bent)


def _members(shapes: Shapes) -> int:
    """Where the rows are unknown, as in specs of before there were members: one."""
    if shapes.rows is None:
        return 1
    return FEW_ROWS_MEMBERS if shapes.rows < FEW_ROWS else MEMBERS


def _layers(config: Config, width: int, outputs: int) -> OrderedDict[str, nn.Module]:
    """What is behind the cosines, with fresh weights."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, hidden in enumerate(config.hidden_dims or HIDDEN, start=1):
        layers[f"hidden_{number}"] = nn.Linear(width, hidden, bias=not config.batch_norm)  # the norm has its own bias
        if config.batch_norm:
            layers[f"norm_{number}"] = nn.BatchNorm1d(hidden)
        layers[f"activation_{number}"] = ACTIVATIONS[config.activation]()
        if config.dropout:
            layers[f"dropout_{number}"] = nn.Dropout(config.dropout)
        width = hidden
    layers["output"] = nn.Linear(width, outputs)
    initialise(layers.values(), config.init)
    return layers
