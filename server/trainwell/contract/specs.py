"""Specs: pydantic records that cross a boundary between processes or rooms.

The manifest owns limits and defaults of what an agent says; these classes own shape only.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["classification", "regression"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Spec(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class TensorSpec(Spec):
    """One input of a network, without its row dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


class Warned(Spec):
    """Something suspicious that the data showed: `code` is a stable word, `message` a sentence."""

    code: str
    message: str
    column: str | None = None


class Baseline(Spec):
    """The score of a guess that looks at the target alone (majority class, training mean), on validation."""

    metric: str
    value: float
    how: str


class PreparedData(Spec):
    """What `prepare_data` made: `WORKSPACE/.trainwell/data/<hash>/meta.json`, beside its arrays.

    Arrays lie as `<split>_<input name>.npy`, `<split>_target.npy` (int64 class numbers, or float32
    standardised by `target_mean` and `target_std`, shape (rows,)) and `<split>_rows.npy`
    (int64 row numbers in the source).
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
    target_mean: float = 0.0
    target_std: float = 1.0
    splits: dict[str, int]
    baseline: Baseline
    encoding: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Width of the network's output: classes, or 1 for regression."""
        return len(self.classes) if self.task == "classification" else 1

    @property
    def score_name(self) -> str:
        """The validation metric that the best weights are chosen by; higher is better."""
        return "val_accuracy" if self.task == "classification" else "val_r2"


class Shapes(Spec):
    """What a network must fit: its inputs and the width of its output.

    `rows` is the number of training rows where it is known; it guides automatic sizes and nothing else.
    """

    inputs: tuple[TensorSpec, ...]
    num_outputs: int
    rows: int | None = None


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


class TrainConfig(Spec):
    """How to train: `train`'s arguments after defaults; every automatic choice is still open as None."""

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
    seed: int
    deterministic: bool
    max_minutes: float | None
    on_finding: str


class RunSpec(Spec):
    """All that a worker needs to carry out a run; stored with the run and with every checkpoint."""

    run: str
    model: ModelSpec
    data: PreparedData
    config: TrainConfig
    start_from: str | None = None
    retry: RetryPolicy
    metrics: tuple[str, ...]
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)  # of train's numbers, as the manifest has them
    log_level: str = "INFO"
