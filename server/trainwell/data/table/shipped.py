"""The sets that ship with scikit-learn, read from its files; the package is not imported."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING

import polars as pl

from trainwell.data.source import shipped_files

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED_TARGET = "target"
_CELL = ("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
         "symmetry", "fractal dimension")  # fmt: skip
# The names stand in scikit-learn's code, not in its files.
_FEATURES: dict[str, list[str]] = {
    "digits": [f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
    "breast_cancer": [form.format(name) for form in ("mean {}", "{} error", "worst {}") for name in _CELL],
    "wine": ["alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
             "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines",
             "proline"],
    "iris": ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"],
    "diabetes": ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"],
}  # fmt: skip


def read_shipped(name: str) -> pl.DataFrame:
    """One of `SHIPPED` as a frame of numbers, the column `target` last; class names where the file has them."""
    files = shipped_files(name)
    separator = " " if name == "diabetes" else ","
    cells = [row for row in csv.reader(_lines(files[0]), delimiter=separator) if row]
    labels: list[str] = []
    if name in {"breast_cancer", "wine", "iris"}:
        labels = cells.pop(0)[2:]
    if len(files) > 1:
        cells = [[*row, value] for row, value in zip(cells, _lines(files[1]), strict=True)]
    columns = list(zip(*cells, strict=True))
    features = [
        pl.Series(name, values).cast(pl.Float64) for name, values in zip(_FEATURES[name], columns, strict=False)
    ]
    numbers = pl.Series(SHIPPED_TARGET, columns[-1]).str.strip_chars().cast(pl.Float64)
    if labels:
        return pl.DataFrame([*features, pl.Series(SHIPPED_TARGET, [labels[int(number)] for number in numbers])])
    return pl.DataFrame([*features, numbers if name == "diabetes" else numbers.cast(pl.Int64)])


def _lines(path: Path) -> list[str]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return raw.decode("utf-8").splitlines()
