"""The pictures of a source, and of given sources behind them, whichever form they come in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.array.files import ArrayFile, open_arrays
from trainwell.data.content import recognise_content
from trainwell.data.image.arrays import Form, form_of, to_pixels, white_of
from trainwell.data.image.decode import Fit, Style
from trainwell.data.image.listing import Listing, first_broken, list_folder
from trainwell.data.image.store import Decoded, decode_arrays, decode_files
from trainwell.data.image.survey import style_of, survey
from trainwell.data.image.tables import read_listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.data.parts import Array
    from trainwell.data.source import Source

Origin = Literal["folder", "table", "arrays"]
# What a folder's columns are called in answers and in the raw rows.
IMAGE, CLASS = "image", "class"


@dataclass(frozen=True)
class Found:
    """Pictures in a fixed order.

    Attributes:
        origin: Where they come from.
        listing: Files; None for arrays.
        arrays: (N, ...) as in the file; None for files.
        form: How rows of `arrays` are pictures.
        known: One row a picture: what is known of it beside its pixels. Empty for arrays.
        image: The column of paths in `known`.
        keys: Names of the inputs and of the target in an array file.
        labels: (N,) of an array file, or None.
        starts: Number of the first row of each source; the first is 0.
        notes: What was decided in reading.
    """

    origin: Origin
    listing: Listing | None = None
    arrays: Array | None = None
    form: Form | None = None
    known: pl.DataFrame = field(default_factory=pl.DataFrame)
    image: str = IMAGE
    keys: tuple[str, str] = ("X", "")
    labels: Array | None = None
    starts: tuple[int, ...] = (0,)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.listing) if self.listing is not None else 0 if self.arrays is None else len(self.arrays)

    def style(
        self, size: tuple[int, int] | None, channels: Literal[1, 3, 4] | None, fit: Fit
    ) -> tuple[Style, list[str]]:
        """How these pictures become bytes, and what was decided.

        Raises:
            TrainwellError: `no_images`, when none of those looked at is one.
        """
        if self.listing is None:
            return self._style_of_arrays(size, channels, fit)
        paths = [path for path in self.listing.paths if path is not None]
        seen = survey(paths)
        if not seen.sizes:
            raise self._none_readable(self.listing.refused or seen.broken)
        return style_of(seen, size, channels, fit)

    def decode(self, style: Style, file: Path | None = None) -> Decoded:
        """All pictures as bytes.

        Raises:
            TrainwellError: `no_images`, when none can be read.
        """
        if self.listing is not None:
            decoded = decode_files(self.listing.paths, self.listing.refused, style, file)
            if len(decoded.broken) == len(self):
                raise self._none_readable(decoded.broken)
            return decoded
        arrays, form = self.arrays, self.form
        assert arrays is not None  # noqa: S101 - the other origin
        assert form is not None  # noqa: S101 - comes with the arrays
        return decode_arrays(arrays, lambda part: to_pixels(part, form, style), style, file)

    def names(self) -> Sequence[str]:
        """What each picture is called; empty for arrays."""
        return self.listing.shown if self.listing is not None else []

    def _style_of_arrays(
        self, size: tuple[int, int] | None, channels: Literal[1, 3, 4] | None, fit: Fit
    ) -> tuple[Style, list[str]]:
        arrays, form = self.arrays, self.form
        assert arrays is not None  # noqa: S101 - the other origin
        assert form is not None  # noqa: S101 - comes with the arrays
        height, width = size or (form.height, form.width)
        taken = channels or form.channels
        white = white_of(arrays)
        notes = [] if arrays.dtype == np.uint8 else [f"Pixels are kept as bytes: {white:g} becomes 255."]
        fill = (0,) * taken
        return Style(height=height, width=width, channels=taken, fit=fit, fill=fill, white=white), notes

    def _none_readable(self, broken: dict[int, str]) -> TrainwellError:
        what = first_broken(broken, self.names()) if broken else "there are none"
        return TrainwellError(
            "no_images", f"None of the {len(self):,} images can be read: {what}.", argument="source",
            allowed="PNG, JPEG, GIF, BMP, WebP, TIFF, PPM",
            hint="Paths in a table are relative to the table; --allow-read DIR opens further folders.",
        )  # fmt: skip


def find_pictures(source: Source, target: str | None, image_column: str | None, *, needs_target: bool = False) -> Found:
    """The pictures of one source.

    Raises:
        TrainwellError: `no_images`, `missing_column`, or what reading the source raises.
    """
    if source.path is not None and source.path.is_dir():
        return _of_folder(source, source.path)
    if source.path is not None and recognise_content(source.path) in {"npy", "npz"}:
        return _of_arrays(open_arrays(source.path), target, needs_target=needs_target)
    frame, image, listing, notes = read_listed(source, image_column)
    return Found("table", listing=listing, known=frame, image=image, notes=tuple(notes))


def together(found: Sequence[Found], arguments: Sequence[str]) -> Found:
    """Pictures of several sources one after the other, where they are of one make.

    Raises:
        TrainwellError: `wrong_kind_of_file`, `wrong_shape`, `missing_column`; `arguments` name the sources.
    """
    first = found[0]
    for one, argument in zip(found[1:], arguments[1:], strict=True):
        _check_alike(first, one, argument)
    starts = tuple(int(start) for start in np.cumsum([0, *(len(one) for one in found[:-1])]))
    if first.listing is None:
        labels = [one.labels for one in found if one.labels is not None]
        arrays = [one.arrays for one in found if one.arrays is not None]
        return replace(
            first,
            arrays=arrays[0] if len(arrays) == 1 else np.concatenate(arrays),
            labels=(labels[0] if len(labels) == 1 else np.concatenate(labels)) if len(labels) == len(found) else None,
            starts=starts,
        )
    columns = [name for name in first.known.columns if all(name in one.known.columns for one in found)]
    frames = [one.known.rename({one.image: first.image}).select(columns) for one in found]
    return replace(
        first,
        listing=_joined([one.listing for one in found if one.listing is not None], starts),
        known=pl.concat(frames, how="vertical_relaxed"),
        starts=starts,
    )


def _joined(listings: Sequence[Listing], starts: Sequence[int]) -> Listing:
    refused = {
        start + place: reason
        for listing, start in zip(listings, starts, strict=True)
        for place, reason in listing.refused.items()
    }
    return Listing(
        paths=[path for listing in listings for path in listing.paths],
        shown=[shown for listing in listings for shown in listing.shown],
        labels=[label for listing in listings for label in listing.labels],
        splits=[split for listing in listings for split in listing.splits],
        refused=refused,
    )


def _of_folder(source: Source, folder: Path) -> Found:
    listing = list_folder(source, folder)
    if not len(listing):
        raise TrainwellError(
            "no_images", "No file in this folder is named like an image.", argument="source", got=source.shown,
            allowed="PNG, JPEG, GIF, BMP, WebP, TIFF, PPM", hint="; ".join(listing.notes) or "The folder is empty.",
        )  # fmt: skip
    columns: dict[str, list[str]] = {IMAGE: listing.shown}
    if listing.labels:
        columns[CLASS] = listing.labels
    return Found("folder", listing=listing, known=pl.DataFrame(columns), notes=tuple(listing.notes))


def _of_arrays(file: ArrayFile, target: str | None, *, needs_target: bool) -> Found:
    member = file.inputs()
    if file.single and member is not None and len(member.shape) > 2:
        arrays, labels, name, key, notes = file.load(""), None, "", "", []
    else:
        chosen = file.choose(target, needs_target=needs_target)
        arrays, labels, name, key = chosen.inputs, chosen.labels, chosen.name or "", chosen.key
        notes = chosen.notes
    form = form_of(arrays.shape[1:])
    if form is None or arrays.dtype.kind not in "biuf":
        raise TrainwellError(
            "wrong_shape", f"Rows of shape {tuple(arrays.shape[1:])} and type {arrays.dtype} are no images.",
            argument="source", got=list(arrays.shape), allowed="(N, H, W), (N, H, W, C) or (N, C, H, W), C of 1, 3, 4",
        )  # fmt: skip
    return Found("arrays", arrays=arrays, form=form, keys=(key or "X", name), labels=labels, notes=tuple(notes))


def _check_alike(first: Found, other: Found, argument: str) -> None:
    if first.origin != other.origin:
        raise TrainwellError(
            "wrong_kind_of_file", f"The images come from {_shown(first)}, these from {_shown(other)}.",
            argument=argument, allowed=_shown(first),
        )  # fmt: skip
    if first.form is not None and other.form is not None and first.form != other.form:
        raise TrainwellError(
            "wrong_shape", "The images have another shape than those of source.", argument=argument,
            got=_sides(other.form), allowed=_sides(first.form),
        )  # fmt: skip
    if first.origin == "folder" and first.known.columns != other.known.columns:
        raise TrainwellError(
            "wrong_kind_of_file", "Only one of the folders has a folder for each class.", argument=argument
        )


def _shown(found: Found) -> str:
    return {"folder": "a folder", "table": "a table", "arrays": "an array file"}[found.origin]


def _sides(form: Form) -> list[Any]:
    return [form.layout, form.channels, form.height, form.width]


def about(found: Found, rows: Sequence[int]) -> list[dict[str, Any]]:
    """What each picture is called, for predictions; nothing for arrays."""
    names = found.names()
    return [{IMAGE: quoted(names[row], 200)[1:-1]} for row in rows] if names else []
