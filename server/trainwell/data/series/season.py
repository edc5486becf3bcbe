"""How long a season is: where a series resembles itself most, among the lengths that a calendar suggests."""

from __future__ import annotations

import numpy as np

from trainwell.data.parts import Array

# Correlation of a detrended series with itself one season later that counts as a season.
_LEAST_CORRELATION = 0.2
_LEAST_CORRELATION_UNASKED = 0.4
# A season must pass so often in the training part.
_LEAST_SEASONS = 3
_LONGEST_SERIES = 100_000
# A peak at a whole part of the highest lag, as high but for this, is the season, and the highest its multiple.
_AS_HIGH = 0.05
# Before a season comes back the series must have become so much less like itself: what is merely smooth has no season.
_LEAST_DIP = 0.1


def find_season(series: list[Array], candidates: list[int], longest: int) -> int:
    """Steps of a season, 1 where there is none.

    Args:
        series: One-dimensional stretches without gaps, each a series' training part; the longest is looked at.
        candidates: Lengths that the calendar suggests; empty to look at all.
        longest: The longest season that is of use.
    """
    values = max(series, key=len, default=np.zeros(0))[-_LONGEST_SERIES:]
    most = min(longest, len(values) // _LEAST_SEASONS)
    if most < 2:
        return 1
    # One lag more, so that the last can be told to be a peak.
    likeness = autocorrelation(values, most + 1)
    lowest = np.minimum.accumulate(likeness)
    risen = np.r_[0.0, likeness[1:] - lowest[:-1]]
    if candidates:
        able = [m for m in candidates if m <= most and likeness[m] >= _LEAST_CORRELATION and risen[m] >= _LEAST_DIP]
        return max(able, key=lambda season: float(likeness[season]), default=1)
    peaks = 2 + np.flatnonzero((likeness[2:-1] > likeness[1:-2]) & (likeness[2:-1] >= likeness[3:]))
    peaks = peaks[(likeness[peaks] >= _LEAST_CORRELATION_UNASKED) & (risen[peaks] >= 2 * _LEAST_DIP)]
    if not len(peaks):
        return 1
    best = int(peaks[likeness[peaks].argmax()])
    parts = [_near(peaks, best / part) for part in range(best // 2, 1, -1)]
    as_high = [peak for peak in parts if peak is not None and likeness[peak] >= likeness[best] - _AS_HIGH]
    return next(iter(as_high), best)


def _near(peaks: Array, wanted: float) -> int | None:
    """The peak at a lag, within a fiftieth of it."""
    nearest = int(peaks[np.abs(peaks - wanted).argmin()])
    return nearest if abs(nearest - wanted) <= max(0.5, 0.02 * wanted) else None


def autocorrelation(values: Array, most: int) -> Array:
    """Correlation with itself at the lags 0, ..., most of a series without its trend; (most + 1,) float64."""
    if len(values) < 4 or most < 1:
        return np.zeros(most + 1)
    places = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(places, values, 1), places)
    size = 1 << (2 * len(rest) - 1).bit_length()
    power = np.abs(np.fft.rfft(rest, size)) ** 2
    products = np.fft.irfft(power, size)[: most + 1]
    variance = float(products[0])
    if variance <= 1e-12 * max(1.0, float(np.square(values).sum())):
        return np.zeros(most + 1)
    # By the number of pairs, so that a late lag is not pressed down for want of them.
    return products / variance * len(rest) / (len(rest) - np.arange(most + 1))
