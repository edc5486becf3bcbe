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
# Of two peaks as high as each other but for this, the earlier is the season and the later its multiple.
_AS_HIGH = 0.05


def find_season(series: list[Array], candidates: list[int], longest: int) -> int:
    """Steps of a season, 1 where there is none.

    Args:
        series: One-dimensional stretches without gaps, each a series' training part; the longest is looked at.
        candidates: Lengths that the calendar suggests; empty to look at all.
        longest: The longest season that is of use.
    """
    values = max(series, key=len, default=np.zeros(0))[-_LONGEST_SERIES:]
    most = min(longest, len(values) // _LEAST_SEASONS)
    correlation = autocorrelation(values, most)
    if candidates:
        able = [season for season in candidates if 2 <= season <= most and correlation[season] >= _LEAST_CORRELATION]
        return max(able, key=lambda season: float(correlation[season]), default=1)
    inner = correlation[2:-1]
    peaks = 2 + np.flatnonzero((inner > correlation[1:-2]) & (inner >= correlation[3:])) if len(inner) else np.zeros(0)
    peaks = peaks[correlation[peaks] >= _LEAST_CORRELATION_UNASKED] if len(peaks) else peaks
    if not len(peaks):
        return 1
    high = correlation[peaks]
    return int(peaks[np.flatnonzero(high >= high.max() - _AS_HIGH)[0]])


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
