"""Images: a folder with a folder for each class (perhaps under train, validation and test), a table with a column of
paths, or arrays of pixels.

Every image is decoded once into bytes of one size; the network gets one input `image` (C, H, W) of uint8, which it
normalises itself by the mean and deviation of the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Baseline, Spec, TensorSpec, Warned
from trainwell.data import target as targets
from trainwell.data.array.files import open_arrays
from trainwell.data.content import recognise_content
from trainwell.data.files import save_split
from trainwell.data.image.arrays import likelihood
from trainwell.data.image.decode import Fit, Style
from trainwell.data.image.found import Found, find_pictures, together
from trainwell.data.image.labels import Labels, learn
from trainwell.data.image.listing import first_broken, holds_pictures
from trainwell.data.image.rows import encode_rows, encode_source, raw_file
from trainwell.data.image.store import Decoded, scale_of, write_pixels
from trainwell.data.image.tables import names_pictures
from trainwell.data.image.told import copies, describe
from trainwell.data.parts import Draft, EncodedRows
from trainwell.data.splits import divide
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Task
    from trainwell.data.parts import Request
    from trainwell.data.source import Source
    from trainwell.data.splits import Division, Rows

KIND = "images"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression", "reconstruction"})
INPUT = "image"
_WHOLE = "all.npy"

Side = int


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


@dataclass(frozen=True)
class _Cut:
    """The usable images: their places among those found, what is learnt from them, and the splits."""

    places: Rows
    labels: Labels
    division: Division
