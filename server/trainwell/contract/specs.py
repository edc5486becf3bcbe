"""Specs: pydantic records that cross a boundary between processes or rooms.

The manifest owns limits and defaults of what an agent says; these classes own shape only.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainwell.contract.scores import score_name

# What is learnt. classification: one class a row; multilabel: any number of them; regression: one value;
# forecasting: the next values of one or more series; reconstruction: the inputs themselves.
Task = Literal["classification", "multilabel", "regression", "forecasting", "reconstruction"]
# What the numbers of an input are, so that a network can be fitted to them.
Role = Literal["features", "categories", "image", "sequence", "tokens", "length"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Spec(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class TensorSpec(Spec):
    """One input of a network, without its row dimension.

    | role | shape | what it holds |
    |---|---|---|
    | features | any | numbers on the scale that networks learn from |
    | categories | (F,) | int64 category numbers, one column each, from 0 (missing or unseen) to `sizes[column]` - 1 |
    | image | (C, H, W) | uint8, to be normalised by the network with `mean` and `std` (of C channels, in 0..255) |
    | sequence | (T, C) | float32 steps in order, zeros behind the end of a short one |
    | | | of a forecast's past, `sizes[0]` says how many of the first channels are the targets' own |
    | tokens | (T,) | int32 token numbers from 0 (padding) and 1 (unknown) to `sizes[0]` - 1 |
    | length | () | int64 real steps or tokens of each row, at least 1; beside the `sequence` or `tokens` input |

    `knots` belongs to the columns of a table: for each value of the features where what is made of it may bend,
    ascending; empty for zeros and ones, and as a whole where nobody looked.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    role: Role = "features"
    sizes: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    knots: tuple[tuple[float, ...], ...] = ()


class Warned(Spec):
    """Something suspicious that the data showed: `code` is a stable word, `message` a sentence."""

    code: str
    message: str
    column: str | None = None


# Warnings of what makes a score mean something else than it seems, told before all others: the gravest first.
MISLEADING = (
    "leakage_suspect", "duplicates_across_splits", "groups_across_splits", "time_overlap", "class_not_trained",
    "label_conflicts", "label_errors", "target_missing", "class_imbalance", "tiny_validation_set",
)  # fmt: skip


def gravity(code: str) -> int:
    """Where a warning's code stands when warnings are told in order; those of one gravity keep theirs."""
    return MISLEADING.index(code) if code in MISLEADING else len(MISLEADING)


class Baseline(Spec):
    """The score of a guess that looks at the target alone (majority class, training mean), on validation."""

    metric: str
    value: float
    how: str


class TargetColumn(Spec):
    """One of several values that are predicted together, and the scale that it is standardised by."""

    name: str
    mean: float = 0.0
    std: float = 1.0


class PreparedData(Spec):
    """What `prepare_data` made: `WORKSPACE/.trainwell/data/<hash>/meta.json`, beside its arrays.

    Arrays lie as `<split>_<input name>.npy`, `<split>_target.npy` and `<split>_rows.npy` (int64 row numbers in the
    source). A target has the shape (rows, *target_shape):

    | task | target_shape | what it holds |
    |---|---|---|
    | classification | () | int64 class numbers |
    | multilabel | (K,) | float32, 1 where a label of `classes` applies |
    | regression | () | float32, standardised by `target_mean` and `target_std` |
    | forecasting | (horizon, columns) | float32, each column standardised as `target_columns` says |
    | reconstruction | that of the first input | the first input itself, of its dtype |
    """

    handle: str
    name: str
    kind: str
    task: Task
    source: str
    fingerprint: str
    inputs: tuple[TensorSpec, ...]
    target: str
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    target_mean: float = 0.0
    target_std: float = 1.0
    target_columns: tuple[TargetColumn, ...] = ()
    splits: dict[str, int]
    baseline: Baseline
    encoding: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Width of the network's output: classes or labels, else the values of one row's target."""
        return len(self.classes) or prod(self.target_shape)

    @property
    def score_name(self) -> str:
        """The validation metric of its task; a run may go by another, see `RunSpec.score_name`."""
        return score_name(self.task, self.num_outputs, weighted=False)


class Shapes(Spec):
    """What a network must fit: its inputs, the width of its output, and what the output means.

    `rows` is the number of training rows where it is known; it guides automatic sizes and nothing else.
    """

    inputs: tuple[TensorSpec, ...]
    num_outputs: int
    task: Task = "classification"
    rows: int | None = None

    def of_role(self, *roles: Role) -> tuple[TensorSpec, ...]:
        """The inputs that play one of these roles."""
        return tuple(spec for spec in self.inputs if spec.role in roles)


class Recipe(Spec):
    """How to train a family of networks well where the agent left a choice open; None leaves it to the general rule."""

    epochs: int | None = None
    most_epochs: int | None = None  # where the epochs follow from the rows
    lr: float | None = None
    batch_size: int | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    augment: tuple[str, ...] | None = None
    ema: float | None = None


# The architecture of a network that lives in somebody's Python program: nothing can build it again from its spec.
PYTHON = "python"


class ModelSpec(Spec):
    """A network before it has weights."""

    handle: str
    name: str
    architecture: str
    options: dict[str, Any]
    shapes: Shapes
    data: str
    report: dict[str, Any] = Field(default_factory=dict)


class RetryPolicy(Spec):
    """`retry_logic` of the manifest."""

    strategy: Literal["exponential_backoff", "fixed", "none"] = "exponential_backoff"
    max_attempts: int = 3
    base_delay_ms: int = 1000
    repairs: bool = True  # whether an attempt may differ from the one before; a twin must fail as its run would


class TrainConfig(Spec):
    """How to train: `train`'s arguments after defaults and the recipe of the network's family.

    None in `batch_size` and `warmup` is a choice that follows from the rows and the schedule.
    """

    epochs: int
    lr: float
    batch_size: int | None
    optimizer: str
    weight_decay: float
    scheduler: str
    warmup: float | None
    precision: str
    grad_clip: float
    accumulate: int
    early_stopping: int
    class_weights: str
    label_smoothing: float
    augment: tuple[str, ...] = ()
    ema: float = 0.0
    swa: float = 0.0
    seed: int
    deterministic: bool
    max_minutes: float | None
    on_finding: str


# What of a `TrainConfig` a search may vary; all other names are options of the architecture.
TUNABLE = (
    "lr", "weight_decay", "batch_size", "epochs", "optimizer", "scheduler", "warmup", "grad_clip", "label_smoothing",
    "ema",
)  # fmt: skip


class Range(Spec):
    """Values that a search may try: `choices`, or numbers from `low` to `high`, whole ones where both are."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, ...]:
        """All choices, or the lowest and the highest number."""
        return self.choices or (self.low, self.high)


class Search(Spec):
    """What a run looks for before it trains: the best values within a space, in so many seconds or trials."""

    space: dict[str, Range]
    seconds: float
    trials: int


class RunSpec(Spec):
    """All that a worker needs to carry out a run; stored with the run and with every checkpoint."""

    run: str
    model: ModelSpec
    data: PreparedData
    config: TrainConfig
    start_from: str | None = None
    search: Search | None = None
    retry: RetryPolicy
    metrics: tuple[str, ...]
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)  # of train's numbers, as the manifest has them
    log_level: str = "INFO"
    until: int | None = None  # ends after this epoch, though the schedule is laid over more

    @property
    def score_name(self) -> str:
        """The validation metric that the best weights are chosen by; higher is better."""
        weighted = self.config.class_weights == "balanced"
        return score_name(self.data.task, self.data.num_outputs, weighted=weighted)
