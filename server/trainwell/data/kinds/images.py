"""Images: a folder with a folder for each class, a table with a column of paths, or arrays of pixels.

Above the classes there may be folders called train, validation (or val) and test: they are then the splits.

Every image is decoded once into bytes of one size; the network gets one input `image` (C, H, W) of uint8, which it
normalises itself by the mean and deviation of the training part.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Baseline, Spec, TensorSpec, Warned
from trainwell.contract.text import plain
from trainwell.data import target as targets
from trainwell.data.array.files import open_arrays
from trainwell.data.content import recognise_content
from trainwell.data.files import open_array, save_split
from trainwell.data.image.arrays import LONGEST_SIDE, SHORTEST_SIDE, likelihood
from trainwell.data.image.decode import Fit, Style
from trainwell.data.image.dividing import columns_to_split_by, read_split_column
from trainwell.data.image.found import Found, find_pictures, together
from trainwell.data.image.labels import Labels, learn, left_aside, likely_targets
from trainwell.data.image.listing import holds_pictures
from trainwell.data.image.rows import encode_rows, encode_source, raw_file
from trainwell.data.image.store import Decoded, scale_of, write_pixels
from trainwell.data.image.tables import files_state, names_pictures
from trainwell.data.image.told import broken_warning, copies, describe
from trainwell.data.parts import Draft, EncodedRows, Request
from trainwell.data.splits import divide, split_column

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Task
    from trainwell.data.source import Source
    from trainwell.data.splits import Division, Rows

KIND = "images"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression", "reconstruction"})
INPUT = "image"
_WHOLE = "all.npy"


class Config(Spec):
    """Options of images."""

    size: int | tuple[int, int] | None = Field(
        default=None, description="Side in pixels, or [height, width]; chosen from the images if left out"
    )
    channels: Literal[1, 3, 4] | None = Field(
        default=None, description="1 grey, 3 colour, 4 with alpha; chosen from the images if left out"
    )
    fit: Fit = Field(default="pad", description="What happens to another ratio of sides: pad, crop or stretch")
    image_column: str | None = Field(default=None, description="The column of paths of a table; found if left out")

    @field_validator("size")
    @classmethod
    def _in_range(cls, size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        sides = (size,) if isinstance(size, int) else size or ()
        if not all(SHORTEST_SIDE <= side <= LONGEST_SIDE for side in sides):
            raise ValueError(f"a side has {SHORTEST_SIDE} to {LONGEST_SIDE} pixels")
        return size

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width, where asked."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


def recognise(source: Source) -> int:
    """3 for folders of images and tables that name them, 2 for arrays of pixels, 1 for any other folder."""
    if source.path is not None and source.path.is_dir():
        return 3 if holds_pictures(source.path) else 1
    if source.path is not None and recognise_content(source.path) in {"npy", "npz"}:
        return likelihood(open_arrays(source.path))
    return 3 if names_pictures(source) else 0


def further_content(source: Source, config: Spec) -> str:  # noqa: ARG001 - one signature for all kinds
    """What the files that a table names are now: names, sizes and times; empty where the source holds the pixels."""
    held = source.path is not None and recognise_content(source.path) in {"folder", "npy", "npz"}
    return "" if held else files_state(source)


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the images are, for an agent; see `data.inspect`."""
    found = find_pictures(source, target, None)
    facts, warnings = describe(found)
    answer: dict[str, Any] = {"rows": len(found), **facts, "target_candidates": likely_targets(found)}
    known = target or next(iter(answer["target_candidates"]), None)
    notes = list(found.notes)
    if known is not None and (target is not None or found.origin != "table" or len(found.known.columns) == 2):
        request = Request(known, "auto", "auto", 0.15, 0.2, 0, Config())
        labels, _ = learn(found, np.arange(len(found)), request, warnings)
        learnt = labels.target
        warnings += targets.suspicions(learnt, None)
        answer |= {"target": learnt.name, "task": learnt.task}
        notes += filter(None, [learnt.note])
        if learnt.classes:
            answer["classes"] = len(learnt.classes)
            shown = zip(learnt.classes, targets.class_counts(learnt), strict=True)
            answer["class_counts"] = {plain(label, 40): count for label, count in list(shown)[:12]}
    if found.listing is not None and found.listing.splits:
        answer["splits"] = dict(Counter(found.listing.splits))
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in warnings]
    answer["notes"] = notes
    if known is None:
        answer["next_call"] = next_call("prepare_data", source=source.shown, task="reconstruction")
    return answer


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Decode once, split, and write the pixels; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the source, the target or all of the images.
    """
    config = request.config
    assert isinstance(config, Config)  # noqa: S101 - the front door makes it from this module's Config
    needs_target = request.task != "reconstruction"
    sources = [source, *request.given.values()]
    each = [find_pictures(one, request.target, config.image_column, needs_target=needs_target) for one in sources]
    found = together(each, ["source", *(f"{split}_source" for split in request.given)])
    style, notes = found.style(config.sides, config.channels, config.fit)
    decoded = found.decode(style, folder / _WHOLE)
    warnings = [broken_warning(decoded.broken, found.names(), len(found))] if decoded.broken else []
    cut = _cut(found, decoded, request, warnings)
    warnings += copies(decoded.digests, cut.places, cut.labels, cut.division.splits)
    spec, scaling = _write(folder, found, decoded, style, cut, source)
    learnt = cut.labels.target
    rebuilds = learnt.task == "reconstruction"
    baseline = _mean_image(folder, spec) if rebuilds else targets.baseline_of(learnt, cut.division.splits)
    (folder / _WHOLE).unlink()
    return Draft(
        task=learnt.task,
        inputs=(spec,),
        target=learnt.name,
        classes=learnt.classes,
        class_counts=targets.class_counts(learnt),
        target_mean=scaling[0],
        target_std=scaling[1],
        target_shape=spec.shape if rebuilds else learnt.values.shape[1:],
        splits={split: len(rows) for split, rows in cut.division.splits.items()},
        baseline=baseline,
        encoding={
            "version": 1,
            "style": style.model_dump(mode="json"),
            "form": None if found.form is None else list(vars(found.form).values()),
            "image_column": None if found.listing is None else found.image,
            "target": cut.labels.reading,
        },
        warnings=tuple(warnings),
        notes=(*found.notes, *notes, *filter(None, [learnt.note]), *left_aside(found, cut.labels), *cut.division.notes),
    )


def encode(
    prepared: PreparedData,
    rows: list[Any] | None,
    source: Source | None,
    *,
    strict: bool,  # noqa: ARG001
) -> EncodedRows:
    """Paths or pixels given inline, or a folder, a table or an array file of images.

    Raises:
        TrainwellError: `bad_row`, `image_unreadable`, `wrong_shape`, `no_images`, or what reading the source raises.
    """
    if rows is not None:
        return encode_rows(prepared, rows, source)
    if source is None:
        raise TrainwellError("missing_argument", "There are no images to encode.", argument="rows")
    return encode_source(prepared, source)


@dataclass(frozen=True)
class _Cut:
    """The usable images: their places among those found, what is learnt from them, and the splits of these."""

    places: Rows
    labels: Labels
    division: Division


def _cut(found: Found, decoded: Decoded, request: Request, warnings: list[Warned]) -> _Cut:
    """Learn the target and cut the parts, as asked or as the folders are named."""
    labels, places = learn(found, decoded.usable(), request, warnings)
    names = columns_to_split_by(found)
    chosen = split_column(request, names)
    by = None if chosen is None else read_split_column(found, chosen, places)
    given = _given(found, request, places)
    division = divide(len(places), request, targets.groups_for(labels.target, request.split), by=by, given=given)
    warnings += [*division.warnings, *targets.suspicions(labels.target, division.splits)]
    return _Cut(places, labels, division)


def _given(found: Found, request: Request, places: Rows) -> dict[str, Rows]:
    """The rows that are a part as a whole: those of given sources, or of folders named like parts."""
    if request.given:
        ends = (*found.starts[1:], len(found))
        return {
            split: np.flatnonzero((places >= found.starts[number]) & (places < ends[number])).astype(np.int64)
            for number, split in enumerate(request.given, start=1)
        }
    folders = np.array(found.listing.splits if found.listing is not None else [])
    if not folders.size:
        return {}
    parts = {split: np.flatnonzero(folders[places] == split).astype(np.int64) for split in ("validation", "test")}
    return {split: rows for split, rows in parts.items() if len(rows)}


def _write(
    folder: Path, found: Found, decoded: Decoded, style: Style, cut: _Cut, source: Source
) -> tuple[TensorSpec, tuple[float, float]]:
    """Write pixels, targets, row numbers and raw rows; gives the input and the target's mean and deviation."""
    splits = cut.division.splits
    learnt = cut.labels.target
    scaling = targets.scaling_of(learnt, splits["train"])
    mean, deviation = scale_of(decoded.pixels, cut.places[splits["train"]])
    starts = np.array(found.starts)
    for split, rows in splits.items():
        places = cut.places[rows]
        write_pixels(folder / f"{split}_{INPUT}.npy", decoded.pixels, places)
        rebuilds = learnt.task == "reconstruction"
        target = decoded.pixels[places] if rebuilds else targets.encoded(learnt, rows, *scaling)
        # A row's number is that in its own source.
        numbers = places - starts[np.searchsorted(starts, places, side="right") - 1]
        save_split(folder, split, target, numbers)
        if split != "train":
            raw_file(folder, split, found, places, source.roots[0] if source.roots else None)
    shape = (style.channels, style.height, style.width)
    return TensorSpec(name=INPUT, shape=shape, dtype="uint8", role="image", mean=mean, std=deviation), scaling


def _mean_image(folder: Path, spec: TensorSpec) -> Baseline:
    """How much of the validation images the mean training image tells, as `val_r2` counts it."""
    train, validation = (open_array(folder / f"{split}_{INPUT}.npy") for split in ("train", "validation"))
    scale = np.array(spec.std)[:, None, None]
    guess = train.mean(0, dtype=np.float64)
    middle = validation.mean(0, dtype=np.float64)
    missed = sum(float(np.square((image - guess) / scale).sum()) for image in validation)
    spread = sum(float(np.square((image - middle) / scale).sum()) for image in validation)
    value = 1 - missed / spread if spread else 0.0
    return Baseline(metric="val_r2", value=value, how="always says the mean training image")
