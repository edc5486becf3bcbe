"""What an agent reads about texts before preparing them: short, quoted, nothing about their language assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.text import plain
from trainwell.data.target import class_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from trainwell.contract.specs import Warned
    from trainwell.data.target import Target
    from trainwell.data.text.read import Texts

_CLASSES, _NAMED, _EXAMPLE = 12, 8, 60


def describe(
    texts: Texts, cells: pl.Series, candidates: Sequence[str], learnt: Target | None, warnings: Sequence[Warned],
    notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The answer of `inspect_data` but for what the front door knows (kind, source, next call).

    Args:
        texts: What was read.
        cells: The texts themselves, without nulls.
        candidates: Columns that may be the target.
        learnt: The target, where one is named.
        warnings: What deserves a second look.
        notes: What was decided in reading.
    """
    others = [name for name in texts.table.columns if name != texts.name]
    answer: dict[str, Any] = {
        "rows": texts.table.file.rows,
        "text": {
            "column": plain(texts.name, 40),
            "characters": _spread(cells.str.len_chars()),
            "words": _spread(cells.str.count_matches(r"\S+")),
            "distinct": cells.n_unique(),
            "example": plain(cells[0], _EXAMPLE) if len(cells) else "",
        },
        "columns": {
            "count": len(texts.table.columns),
            "others": {"count": len(others), "first": [plain(name, 40) for name in others[:_NAMED]]},
        },
        "target_candidates": list(candidates),
    }
    if texts.table.given:
        answer["parts"] = {part: len(rows) for part, rows in texts.table.given.items()}
    if learnt is not None:
        answer |= {"target": learnt.name, "task": learnt.task}
        if learnt.task == "classification":
            counts = dict(zip(learnt.classes, class_counts(learnt), strict=True))
            answer["classes"] = len(counts)
            answer["class_counts"] = {plain(label, 40): count for label, count in list(counts.items())[:_CLASSES]}
        else:
            low, mean, high = learnt.values.min(), learnt.values.mean(), learnt.values.max()
            answer["target_range"] = {"min": float(low), "mean": float(mean), "max": float(high)}
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in warnings]
    answer["notes"] = list(notes)
    return answer


def _spread(numbers: pl.Series) -> dict[str, int]:
    """Median, 95th percentile and largest."""
    if numbers.is_empty():
        return {}
    middle, high = (int(numbers.quantile(share, "nearest") or 0) for share in (0.5, 0.95))
    return {"median": middle, "p95": high, "max": int(numbers.max() or 0)}  # pyright: ignore[reportArgumentType]
