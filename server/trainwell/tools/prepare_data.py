"""Turn a data file into tensors.

Split (seeded, stratified for classes), preprocessing fitted on the training part only, baseline. Gives the data
handle that build_model and train take. The same call twice gives the same handle.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import PreparedData, Spec, gravity
from trainwell.contract.text import rounded
from trainwell.contract.told import describe_input, describe_target
from trainwell.tools.services import Services, exactly_one

TITLE = "Prepare data"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
MOST_CLASSES_TOLD, MOST_TOLD = 20, 5


class Arguments(Spec):
    """See SKILL.md."""

    source: str | None = None
    rows: list[dict[str, Any]] | None = None
    target: str | None = None
    targets: list[str] | None = None
    task: str
    kind: str
    split: str
    split_by: str | None = None
    validation_source: str | None = None
    test_source: str | None = None
    validation_fraction: float
    test_fraction: float
    columns: list[str] | None = None
    drop_columns: list[str] | None = None
    options: dict[str, Any] | None = None
    seed: int
    detail: str


class Result(Answer):
    """The prepared data; `left_out` counts the warnings and notes that only `detail: full` has."""

    data: str
    task: str
    target: str
    splits: dict[str, int]
    inputs: dict[str, list[int]]
    classes: list[str]
    baseline: dict[str, Any]
    warnings: list[str]
    notes: list[str]
    left_out: int | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker prepare, then enter the handle."""
    exactly_one(source=arguments.source, rows=arguments.rows)
    prepared = PreparedData.model_validate(await services.ask("prepare", **arguments.model_dump(exclude={"detail"})))
    services.store.artifacts.put_data(prepared)
    warnings = [f"{one.code}: {one.message}" for one in sorted(prepared.warnings, key=lambda one: gravity(one.code))]
    most = len(warnings) + len(prepared.notes) if arguments.detail == "full" else MOST_TOLD
    parts = ", ".join(f"{name} {count}" for name, count in prepared.splits.items())
    inputs = " and ".join(describe_input(one) for one in prepared.inputs[:3])
    lines = [
        f"{prepared.handle}: {describe_target(prepared)} from {inputs}; rows: {parts}.",
        f"Baseline ({prepared.baseline.how}): {prepared.baseline.metric} {rounded(prepared.baseline.value)}.",
        *warnings[:2],
    ]
    return Result(
        summary="\n".join(lines),
        data=prepared.handle,
        task=prepared.task,
        target=prepared.target,
        splits=prepared.splits,
        inputs={tensor.name: list(tensor.shape) for tensor in prepared.inputs},
        classes=list(prepared.classes[:MOST_CLASSES_TOLD]),
        baseline=prepared.baseline.model_dump(),
        warnings=warnings[:most],
        notes=list(prepared.notes[:most]),
        left_out=max(0, len(warnings) - most) + max(0, len(prepared.notes) - most) or None,
        next_call=next_call("build_model", data=prepared.handle),
    )
