"""Array inputs on a network's scale: (N, F) numbers by column, images and other shapes as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Warned
from trainwell.data.parts import Array
from trainwell.data.scale import apply_scale, fit_scale
from trainwell.data.splits import Rows

MOST_COLUMNS = 50_000
# Statistics need no more than this.
_MOST_FIT_ROWS = 200_000
_FIT_CELLS = 50_000_000
_LOOK_CELLS = 20_000_000


def fit_inputs(inputs: Array, train: Rows) -> dict[str, Any]:
    """How the inputs are encoded, learnt from the training rows, as JSON.

    Returns:
        `{shape, output_shape, mean, scale}` for the whole, or `{shape, output_shape, columns: [...]}` by column;
        columns that do not vary give no input.

    Raises:
        TrainwellError: `wrong_shape`, `array_type`, `constant_inputs`, `too_wide`.
    """
    if inputs.dtype.kind not in "biuf":
        raise TrainwellError(
            "array_type", f"The inputs have type {inputs.dtype}.", argument="source", allowed="numbers or booleans"
        )
    shape = [int(size) for size in inputs.shape[1:]] or [1]
    width = int(np.prod(shape, dtype=np.int64))
    rows = _some(train, min(_MOST_FIT_ROWS, max(1000, _FIT_CELLS // max(width, 1))))
    sample = inputs[rows].astype(np.float64).reshape(len(rows), *shape)
    sample[~np.isfinite(sample)] = np.nan
    if len(shape) > 1 or inputs.dtype in (np.uint8, np.bool_):
        mean, deviation = float(np.nanmean(sample)), float(np.nanstd(sample))
        if not deviation > 0:
            raise _constant()
        return {"shape": shape, "output_shape": shape, "mean": mean, "scale": 1 / deviation}
    if width > MOST_COLUMNS:
        raise TrainwellError(
            "too_wide",
            f"The inputs have {width:,} columns.",
            argument="source",
            allowed=f"at most {MOST_COLUMNS:,}",
            hint="Leave out columns, or give pictures in the shape (rows, channels, height, width).",
        )
    columns = [_fit_column(place, sample[:, place]) for place in range(width)]
    used = [column for column in columns if column is not None]
    if not used:
        raise _constant()
    outputs = sum(1 + column["missing"] for column in used)
    return {"shape": shape, "output_shape": [outputs], "columns": used}


def encode_inputs(encoding: dict[str, Any], inputs: Array) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(N, *output_shape) float32, finite: what is missing becomes the mean or the median."""
    shape = encoding["shape"]
    values = inputs.reshape(len(inputs), *shape).astype(np.float32 if "mean" in encoding else np.float64)
    if "mean" in encoding:
        values = (values - np.float32(encoding["mean"])) * np.float32(encoding["scale"])
        return np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    out = np.zeros((len(values), encoding["output_shape"][0]), np.float32)
    place = 0
    for column in encoding["columns"]:
        cells = values[:, column["column"]]
        absent = ~np.isfinite(cells)
        out[:, place] = apply_scale(np.where(absent, column["median"], cells), column)
        if column["missing"]:
            out[:, place + 1] = absent
        place += 1 + column["missing"]
    return out


def as_numbers(rows: list[Any], encoding: dict[str, Any]) -> Array:
    """Inline rows, lists as deep as the inputs, as one array.

    Raises:
        TrainwellError: `bad_row`, `bad_value`, `wrong_shape`.
    """
    values: list[Array] = []
    for number, row in enumerate(rows):
        if not isinstance(row, list | tuple):
            raise TrainwellError(
                "bad_row", f"Row {number} is not a list of numbers.", argument=f"rows/{number}", got=row,
                allowed=f"a list of shape {tuple(encoding['shape'])}",
            )  # fmt: skip
        try:
            array = np.array(row, dtype=np.float64)
        except (ValueError, TypeError, OverflowError) as error:
            raise TrainwellError(
                "bad_value", f"Row {number} is not all numbers, or its lists differ in length.",
                argument=f"rows/{number}", got=row,
            ) from error  # fmt: skip
        if array.shape != tuple(encoding["shape"]):
            raise wrong_shape(array.shape, encoding, f"rows/{number}")
        values.append(array)
    return np.stack(values)


def wrong_shape(got: tuple[int, ...], encoding: dict[str, Any], argument: str) -> TrainwellError:
    """The refusal of rows of another shape than those trained on."""
    return TrainwellError(
        "wrong_shape", f"A row has shape {tuple(got)}, the network was trained on {tuple(encoding['shape'])}.",
        argument=argument, got=list(got), allowed=encoding["shape"],
    )  # fmt: skip


def describe_inputs(inputs: Array) -> dict[str, Any]:
    """Shape, type and range, from a sample when the array is large."""
    facts: dict[str, Any] = {"shape": [int(size) for size in inputs.shape], "dtype": str(inputs.dtype)}
    if inputs.dtype.kind in "biuf":
        sample = _look(inputs)
        finite = sample[np.isfinite(sample)]
        facts |= {"min": float(finite.min()), "max": float(finite.max())} if finite.size else {}
    return facts


def input_warnings(inputs: Array) -> list[Warned]:
    """Gaps, infinities and copies, from a sample when the array is large."""
    if inputs.dtype.kind not in "biuf":
        return []
    found: list[Warned] = []
    sample = _look(inputs)
    if sample.dtype.kind == "f":
        missing, infinite = int(np.isnan(sample).sum()), int(np.isinf(sample).sum())
        if missing:
            found.append(Warned(code="missing_values", message=f"{missing:,} of {sample.size:,} values are NaN."))
        if infinite:
            message = f"{infinite:,} infinite values are taken as missing."
            found.append(Warned(code="infinite_values", message=message))
    flat = np.ascontiguousarray(sample.reshape(len(sample), -1))
    again = len(flat) - len({hash(row.tobytes()) for row in flat})
    if again:
        found.append(Warned(code="duplicate_rows", message=f"{again:,} of {len(flat):,} rows are copies of others."))
    return found


def _fit_column(place: int, values: Array) -> dict[str, Any] | None:
    known = values[np.isfinite(values)]
    missing = len(known) < len(values)
    if known.size == 0 or (known.min() == known.max() and not missing):
        return None
    return {"column": place, "missing": missing, "median": float(np.median(known)), **fit_scale(known)}


def _some(rows: Rows, most: int) -> Rows:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _look(inputs: Array) -> Array:
    width = max(1, int(np.prod(inputs.shape[1:], dtype=np.int64)))
    return np.asarray(inputs[: max(1, _LOOK_CELLS // width)])


def _constant() -> TrainwellError:
    return TrainwellError("constant_inputs", "The inputs do not vary in the training rows.", argument="source")
