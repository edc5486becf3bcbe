"""The forecast that any network must beat: the value one season before, or the last one where there is no season."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.specs import Baseline
from trainwell.data.parts import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import PreparedData


def naive_forecast(prepared: PreparedData, inputs: Sequence[Array]) -> Array:
    """The naive forecast of prepared rows, from their inputs alone.

    Args:
        prepared: Of the task forecasting and the kind series.
        inputs: As `SplitArrays.inputs`; the first holds the past, (B, window, C).

    Returns: (B, horizon, targets) float32, standardised as the target is.
    """
    horizon, targets = prepared.target_shape
    return repeat_season(np.asarray(inputs[0][..., :targets]), horizon, int(prepared.encoding["naive"]["season"]))


def repeat_season(past: Array, horizon: int, season: int) -> Array:
    """The last season over and over. past: (B, window, K), window >= season. Returns: (B, horizon, K)."""
    places = past.shape[1] - season + np.arange(horizon) % season
    return past[:, places]


def naive_baseline(target: Array, forecast: Array, encoding: dict[str, Any]) -> Baseline:
    """The score of a naive forecast of validation, as `val_r2` is computed: against the mean of each value.

    Args:
        target: (B, horizon, K) standardised.
        forecast: Likewise.
        encoding: `PreparedData.encoding["naive"]`.
    """
    spread = float(np.square(target - target.mean(axis=0), dtype=np.float64).sum())
    error = float(np.square(target - forecast, dtype=np.float64).sum())
    value = 1 - error / spread if spread > 0 else 0.0
    return Baseline(metric="val_r2", value=value, how=f"naive forecast: {encoding['how']}")


def told(season: int) -> str:
    """How the naive forecast is made, in words."""
    return "the last value" if season == 1 else f"the value one season ({season} steps) before"
