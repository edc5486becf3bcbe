"""Facts of the targets: numbers that are none, scale, codes taken for quantities, order, classes by split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.facts.sample import Array, Sample

# A quantity that takes no more whole values than this may be the number of a class.
MOST_CODES = 20
# A value this many usual deviations from the median is far from all others (in logarithms, fewer), if no more than
# this share of them are.
FAR, FAR_IN_LOGS, MOST_FAR = 15.0, 7.0, 0.05


def facts(prepared: PreparedData, train: Sample, validation: Sample, *, ordered: bool) -> dict[str, Any]:
    """What the targets show."""
    bad = ~np.isfinite(np.asarray(train.target, np.float64)).reshape(len(train.target), -1).all(axis=1)
    found: dict[str, Any] = {"data.nonfinite_targets": float(bad.mean()), "data.ordered": ordered}
    if prepared.task == "classification":
        found |= _classes(prepared, train, validation)
        found |= _sorted_classes(train.target, validation.target)
    elif prepared.task == "regression" and train.target.ndim == 1:
        found |= _values(prepared, train.target[~bad])
    return found


def _classes(prepared: PreparedData, train: Sample, validation: Sample) -> dict[str, Any]:
    counts = [np.bincount(part.target, minlength=len(prepared.classes)) for part in (train, validation)]
    shares = [count / max(1, count.sum()) for count in counts]
    numeric = [name for name in prepared.classes if _is_number(name)]
    return {
        "data.train_classes": counts[0].tolist(),
        "data.validation_classes": counts[1].tolist(),
        "data.label_shift": float(np.abs(shares[0] - shares[1]).sum() / 2),
        "data.numeric_classes": len(numeric) / max(1, len(prepared.classes)),
        "data.rows_per_class": float(np.median(counts[0][counts[0] > 0])) if counts[0].any() else 0.0,
    }


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _sorted_classes(labels: Array, others: Array) -> dict[str, Any]:
    """`label_runs`: how often a row has the class of the row before it, and `label_chance`, how often by chance."""
    if len(labels) < 2 or not len(others):
        return {}
    shares = np.bincount(others) / len(others)
    return {
        "data.label_runs": float((labels[1:] == labels[:-1]).mean()),
        "data.label_chance": float((shares**2).sum()),
    }


def _values(prepared: PreparedData, target: Array) -> dict[str, Any]:
    if len(target) < 2:
        return {}
    values = np.asarray(target, np.float64)
    whole = values * prepared.target_std + prepared.target_mean
    codes = np.unique(np.round(whole, 3))
    found: dict[str, Any] = {
        "data.target_mean": float(values.mean()),
        "data.target_std": float(values.std()),
        "data.target_values": len(codes),
        "data.target_codes": bool(len(codes) <= MOST_CODES and np.allclose(whole, np.round(whole), atol=1e-3)),
    }
    if values.std() > 0:
        steps = np.corrcoef(values[1:], values[:-1])[0, 1] if values[1:].std() and values[:-1].std() else 0.0
        found["data.target_runs"] = float(np.nan_to_num(steps))
        found |= _outliers(values, whole)
    return found


def _outliers(values: Array, whole: Array) -> dict[str, Any]:
    """`target_outliers`, the share of values far from all others, and `target_outlier_part`, theirs of the variance.

    A quantity that grows by factors has a long tail by nature, so it is looked at by its logarithm too.
    """
    far = _distance(values) > FAR
    if whole.min() > 0:
        far &= _distance(np.log(whole)) > FAR_IN_LOGS
    if not far.any() or far.mean() > MOST_FAR:
        return {"data.target_outliers": 0.0}
    squares = (values - np.median(values)) ** 2
    return {
        "data.target_outliers": float(far.mean()),
        "data.target_outlier_part": float(squares[far].sum() / squares.sum()),
        "data.target_farthest": float(_distance(values).max()),
    }


def _distance(values: Array) -> Array:
    """Distances from the median, in units of the usual one: what a normal distribution's deviation would be."""
    away = np.abs(values - np.median(values))
    usual = 1.4826 * float(np.median(away))
    return away / usual if usual > 0 else np.zeros_like(away)
