"""What an agent reads about a table before preparing it: short, quoted, largest facts first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.text import plain
from trainwell.data.target import class_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Warned
    from trainwell.data.table.columns import Column
    from trainwell.data.target import Target

_GROUPS = {"number": "numeric", "category": "categorical", "boolean": "boolean", "date": "date"}
_NAMED, _CLASSES = 8, 12


def describe(
    rows: int,
    columns: Sequence[Column],
    notes: Sequence[str],
    candidates: Sequence[str],
    target: str | None,
    learnt: Target | None,
    warnings: Sequence[Warned],
) -> dict[str, Any]:
    """The answer of `inspect_data` but for what the front door knows (kind, source, next call)."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(_GROUPS.get(column.kind, "ignored"), []).append(column.name)
    gaps = sorted((column for column in columns if column.missing), key=lambda column: -column.missing)
    answer: dict[str, Any] = {
        "rows": rows,
        "columns": {
            "count": len(columns),
            **{
                group: {"count": len(names), "first": [plain(name, 40) for name in names[:_NAMED]]}
                for group, names in groups.items()
            },
        },
        "missing": {plain(column.name, 40): column.missing for column in gaps[:5]},
        "columns_with_missing": len(gaps),
        "target_candidates": list(candidates),
    }
    if target is not None and learnt is not None:
        answer |= {"target": target, "task": learnt.task}
        if learnt.classes:
            counts = dict(zip(learnt.classes, class_counts(learnt), strict=True))
            answer["classes"] = len(counts)
            answer["class_counts"] = {plain(label, 40): count for label, count in list(counts.items())[:_CLASSES]}
        else:
            low, mean, high = learnt.values.min(), learnt.values.mean(), learnt.values.max()
            answer["target_range"] = {"min": float(low), "mean": float(mean), "max": float(high)}
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in warnings]
    answer["notes"] = [*notes, *filter(None, [learnt.note if learnt else None]), *(n for c in columns for n in c.notes)]
    return answer
