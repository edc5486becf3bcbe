"""New images through the style that was settled for training, and the raw rows that are kept of a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.data.image.arrays import Form, form_of, to_pixels
from trainwell.data.image.decode import BrokenPictureError, Pixels, Style, decode
from trainwell.data.image.found import Found, about, find_pictures
from trainwell.data.image.labels import read_labels
from trainwell.data.image.listing import resolved
from trainwell.data.image.told import broken_warning
from trainwell.data.parts import EncodedRows
from trainwell.data.table.multilabel import as_text
from trainwell.data.target import unusable_note

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import Array
    from trainwell.data.source import Source
    from trainwell.data.splits import Rows

PATH = "path"
_ALLOWED = 'an object such as {"path": "cat.png"}, or the pixels as nested lists'


def encode_rows(prepared: PreparedData, rows: list[Any], source: Source | None) -> EncodedRows:
    """Inline rows: objects with the path of an image, or its pixels as nested lists.

    Raises:
        TrainwellError: `bad_row`, `bad_value`, `wrong_shape`, `image_unreadable`, `path_outside_workspace`.
    """
    style = Style.model_validate(prepared.encoding["style"])
    pictures = [_inline(prepared, style, row, number, source) for number, row in enumerate(rows)]
    return _encoded(prepared, np.stack(pictures), np.arange(len(rows)), None)


def encode_source(prepared: PreparedData, source: Source) -> EncodedRows:
    """A folder, a table or an array file of images; those that cannot be read are left out and named.

    Raises:
        TrainwellError: `no_images`, `wrong_shape`, or what reading the source raises.
    """
    encoding = prepared.encoding
    asked = encoding.get("image_column")
    found = find_pictures(source, None, asked if _has_column(source, asked) else None)
    style = Style.model_validate(encoding["style"])
    if found.form is not None and (form := encoding.get("form")) is not None and found.form.channels != form[1]:
        raise TrainwellError(
            "wrong_shape", f"The images have {found.form.channels} channels, those of training had {form[1]}.",
            argument="source", got=found.form.channels, allowed=form[1],
        )  # fmt: skip
    decoded = found.decode(style)
    places = decoded.usable()
    target = read_labels(prepared, found, places)
    notes = [] if target is None else unusable_note(prepared, target)
    if decoded.broken:
        notes.insert(0, broken_warning(decoded.broken, found.names(), len(found)).message + " They are left out.")
    pixels = decoded.pixels if len(places) == len(found) else decoded.pixels[places]
    return _encoded(prepared, pixels, places, target, notes, about(found, places.tolist()))


def raw_file(folder: Path, split: str, found: Found, places: Rows, root: Path | None) -> None:
    """Keep the raw rows of a split: names of files and what the table said, or the arrays themselves."""
    if found.listing is None:
        _keep_arrays(folder / f"raw_{split}.npz", found, places)
        return
    paths = [found.listing.paths[place] for place in cast("list[int]", places.tolist())]
    names = [
        str(path.relative_to(root)) if root and path and path.is_relative_to(root) else str(path) for path in paths
    ]
    others = [as_text(found.known[name].gather(places)) for name in found.known.columns if name != found.image]
    frame = pl.DataFrame([pl.Series(found.image, names), *others])
    frame.write_parquet(folder / f"raw_{split}.parquet")


def _encoded(
    prepared: PreparedData,
    pixels: Pixels,
    rows: Rows,
    target: Array | None,
    notes: list[str] | None = None,
    told: list[dict[str, Any]] | None = None,
) -> EncodedRows:
    if prepared.task == "reconstruction":
        target = pixels
    return EncodedRows((pixels,), target, len(pixels), rows, notes or [], told or [])


def _inline(prepared: PreparedData, style: Style, row: Any, number: int, source: Source | None) -> Pixels:
    at = f"rows/{number}"
    named = row
    if isinstance(row, dict):
        cells = cast("dict[str, Any]", row)
        names = (prepared.encoding.get("image_column"), PATH, "image")
        named = next((cells[name] for name in names if name in cells), None)
    elif isinstance(row, list) and len(cast("list[Any]", row)) == 1 and isinstance(row[0], str):
        named = row[0]
    if isinstance(named, str):
        return _named(style, named, at, source)
    if isinstance(named, list):
        return _listed(prepared, style, cast("list[Any]", named), at)
    raise TrainwellError("bad_row", f"Row {number} names no image.", argument=at, got=row, allowed=_ALLOWED)


def _named(style: Style, name: str, at: str, source: Source | None) -> Pixels:
    if source is None or "\0" in name:
        raise TrainwellError("bad_row", "There is no such image.", argument=at, got=plain(name, 80), allowed=_ALLOWED)
    listing = resolved(source, [source.base / name], [name])
    if (path := listing.paths[0]) is None:
        raise TrainwellError(
            "image_unreadable", f"This image cannot be read: {listing.refused[0]}.", argument=at, got=plain(name, 200),
            hint="Paths are relative to the workspace.",
        )  # fmt: skip
    try:
        return decode(path, style)
    except BrokenPictureError as error:
        raise TrainwellError(
            "image_unreadable", f"This image cannot be read: {error}.", argument=at, got=plain(name, 200)
        ) from error


def _listed(prepared: PreparedData, style: Style, values: list[Any], at: str) -> Pixels:
    try:
        pixels = np.array(values, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise TrainwellError(
            "bad_value", "The pixels are not all numbers, or the lists differ in length.", argument=at
        ) from error
    trained = prepared.encoding.get("form")
    form = form_of(pixels.shape)
    if trained is not None and pixels.shape == _shape_of(Form(*trained)):
        form = Form(*trained)  # as the arrays of training, also where the shape alone would be ambiguous
    if form is None or not np.isfinite(pixels).all():
        raise TrainwellError(
            "wrong_shape" if form is None else "bad_value", "These are not the pixels of an image.", argument=at,
            got=list(pixels.shape), allowed="(H, W), (H, W, C) or (C, H, W) of finite numbers",
        )  # fmt: skip
    return to_pixels(pixels[None], form, style)[0]


def _shape_of(form: Form) -> tuple[int, ...]:
    sides = (form.height, form.width)
    return {"hw": sides, "chw": (form.channels, *sides), "hwc": (*sides, form.channels)}[form.layout]


def _has_column(source: Source, name: str | None) -> bool:
    """Whether the column of training is worth asking for: raw rows and tables have it, folders do not."""
    return name is not None and source.path is not None and not source.path.is_dir()


def _keep_arrays(path: Path, found: Found, places: Rows) -> None:
    arrays, labels = found.arrays, found.labels
    assert arrays is not None  # noqa: S101 - no listing, so arrays
    kept = {found.keys[0]: arrays[places]}
    if labels is not None:
        kept[found.keys[1]] = labels[places]
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **kept)
