"""What an agent reads about images: how many, of which sizes, what is broken, what is there twice."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainwell.contract.specs import Warned
from trainwell.data.image.listing import first_broken
from trainwell.data.image.survey import Survey, survey
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.data.image.found import Found
    from trainwell.data.image.labels import Labels
    from trainwell.data.parts import Array
    from trainwell.data.splits import Rows

_SHOWN = 4
# Files of one size are read to tell whether they are the same, up to so many.
_MOST_READ = 2000


def describe(found: Found) -> tuple[dict[str, Any], list[Warned]]:
    """Sizes, modes and what is odd, from the files' headers or the array's shape."""
    if found.listing is None or found.form is not None:
        return _of_arrays(found)
    paths = [path for path in found.listing.paths if path is not None]
    seen = survey(paths)
    facts: dict[str, Any] = {"sizes": _sizes(seen), "modes": dict(seen.modes.most_common(_SHOWN))}
    warnings: list[Warned] = []
    broken = dict(found.listing.refused)
    if seen.broken and len(paths) == seen.looked_at:
        readable = [place for place, path in enumerate(found.listing.paths) if path is not None]
        broken |= {readable[place]: reason for place, reason in seen.broken.items()}
    if broken or seen.broken:
        count = len(broken) or len(seen.broken)
        facts["broken"] = count
        warnings.append(broken_warning(broken, found.listing.shown, len(found), count))
    again = _same_files(paths)
    if again:
        facts["duplicates"] = again
        warnings.append(Warned(code="duplicate_images", message=f"{counted(again, 'image')} are copies of others."))
    return facts, warnings


def broken_warning(broken: dict[int, str], shown: Sequence[str], total: int, count: int | None = None) -> Warned:
    """How many images cannot be read, and the first of them."""
    number = len(broken) if count is None else count
    named = f": {first_broken(dict(sorted(broken.items())), shown)}" if broken else ""
    return Warned(code="broken_images", message=f"{number:,} of {total:,} images cannot be read{named}.")


def copies(digests: Sequence[bytes], places: Rows, labels: Labels, splits: dict[str, Rows]) -> list[Warned]:
    """Images whose pixels are the same as another's: at all, across splits, and with another target."""
    own = [digests[place] for place in cast("list[int]", places.tolist())]
    again = len(own) - len(set(own))
    if not again:
        return []
    found = [
        Warned(code="duplicate_images", message=f"{counted(again, 'image')} of {len(own):,} are copies of others.")
    ]
    parts = {name: [own[row] for row in cast("list[int]", rows.tolist())] for name, rows in splits.items()}
    trained = set(parts["train"])
    shared = [
        f"{count:,} of {name}"
        for name in ("validation", "test")
        if (count := sum(digest in trained for digest in parts[name]))
    ]
    if shared:
        message = f"Copies of training images: {' and '.join(shared)}; scores are too good by them."
        found.append(Warned(code="duplicates_across_splits", message=message))
    unlike = _unlike(own, labels)
    if unlike:
        message = f"{counted(unlike, 'image')} with the same pixels as another has another target."
        found.append(Warned(code="label_conflicts", message=message))
    return found


def _unlike(digests: Sequence[bytes], labels: Labels) -> int:
    """Images that have a copy with another target."""
    values: Array = labels.target.values
    if labels.target.task == "reconstruction":
        return 0
    if values.ndim == 2:
        values = np.unique(values, axis=0, return_inverse=True)[1]
    groups: dict[bytes, Counter[float]] = defaultdict(Counter)
    for digest, value in zip(digests, values, strict=True):
        groups[digest][float(value)] += 1
    return sum(count.total() for count in groups.values() if len(count) > 1)


def _sizes(seen: Survey) -> dict[str, int]:
    shown = {f"{height}x{width}": count for (height, width), count in seen.sizes.most_common(_SHOWN)}
    others = seen.sizes.total() - sum(shown.values())
    return shown | ({"others": others} if others else {})


def _of_arrays(found: Found) -> tuple[dict[str, Any], list[Warned]]:
    form, arrays = found.form, found.arrays
    assert form is not None  # noqa: S101 - comes with the arrays
    assert arrays is not None  # noqa: S101 - comes with the form
    facts = {
        "sizes": {f"{form.height}x{form.width}": len(arrays)},
        "channels": form.channels,
        "dtype": str(arrays.dtype),
        "layout": form.layout,
    }
    step = max(1, len(arrays) // _MOST_READ)
    looked_at = [hashlib.blake2b(np.ascontiguousarray(row).tobytes()).digest() for row in arrays[::step]]
    again = len(looked_at) - len(set(looked_at))
    if not again:
        return facts, []
    message = f"{counted(again, 'image')} of {len(looked_at):,} looked at are copies of others."
    return facts | {"duplicates": again}, [Warned(code="duplicate_images", message=message)]


def _same_files(paths: Sequence[Path]) -> int:
    """How many files hold the bytes of another one."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    alike = [path for group in by_size.values() if len(group) > 1 for path in group][:_MOST_READ]
    digests = [hashlib.blake2b(path.read_bytes()).digest() for path in alike]
    return len(digests) - len(set(digests))
