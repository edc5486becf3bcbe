"""NumPy's files: looked at by their headers first, so that nothing large or executable is ever loaded."""

from __future__ import annotations

import re
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted
from trainwell.data.memory import check_memory
from trainwell.data.parts import Array

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path
    from typing import IO

_INPUT_NAMES = ("x", "data", "features", "inputs", "images", "x_train", "train_x", "train_data", "train_images")
_TARGET_NAMES = ("y", "target", "targets", "label", "labels", "y_train", "train_y", "train_labels", "class", "classes")
_MOST_MEMBERS = 1000
_LAST = {"last", "-1"}
# A last column of whole numbers, few of them, is taken for classes without being told.
_MOST_GUESSED_CLASSES = 100


@dataclass(frozen=True)
class Member:
    """One array of a file, by its header."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Chosen:
    """The arrays to learn from.

    Attributes:
        key: Where the inputs lie in an .npz; empty for a .npy.
        inputs: (N, ...) as in the file.
        labels: (N,) as in the file, or None.
        name: What the target is called.
    """

    key: str
    inputs: Array
    labels: Array | None
    name: str | None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ArrayFile:
    """A file of NumPy arrays whose headers were read."""

    path: Path
    members: dict[str, Member]

    @property
    def single(self) -> bool:
        """Whether this is a .npy, which has one array without a name."""
        return list(self.members) == [""]

    def shown(self) -> dict[str, str]:
        """Shape and type of each array."""
        items = list(self.members.items())[:12]
        return {quoted(name, 40)[1:-1] or "array": f"{member.dtype} {member.shape}" for name, member in items}

    def target_names(self) -> list[str]:
        """Arrays, or columns, that may be the target."""
        if self.single:
            return ["last"] if len(self.members[""].shape) == 2 else []
        found = _named(self.members, _TARGET_NAMES)
        return [found] if found else []

    def inputs(self) -> Member | None:
        """The array that holds the inputs, by its header; None where nothing tells."""
        if self.single:
            return self.members[""]
        others = {key: member for key, member in self.members.items() if key != _named(self.members, _TARGET_NAMES)}
        key = _named(others, _INPUT_NAMES) or (next(iter(others)) if len(others) == 1 else None)
        return None if key is None else others[key]

    def load(self, name: str) -> Array:
        """One array, whole; the only one of a .npy has no name.

        Raises:
            TrainwellError: `array_type`, `too_few_rows`, `array_unreadable`.
        """
        return self._load(name)

    def peek(self, member: Member, most: int) -> Array:
        """The first values of an array, flat, without reading the rest.

        Raises:
            TrainwellError: `array_unreadable`.
        """
        count = min(most, int(np.prod(member.shape, dtype=object)))
        try:
            with self._stream(member) as stream:
                _header(member.name, stream)
                held = stream.read(count * member.dtype.itemsize)
        except Exception as error:  # zlib.error is of no common base
            raise _unreadable(self.path) from error
        whole = len(held) // member.dtype.itemsize * member.dtype.itemsize
        return np.frombuffer(held[:whole], member.dtype)

    @contextmanager
    def _stream(self, member: Member) -> Generator[IO[bytes]]:
        if self.single:
            with self.path.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{member.name}.npy") as stream:
                yield stream

    def choose(self, target: str | None, *, needs_target: bool) -> Chosen:
        """Find inputs and target, by name or as asked.

        Raises:
            TrainwellError: `missing_target`, `missing_column`, `no_inputs`, `wrong_shape`.
        """
        return self._choose_column(target, needs_target) if self.single else self._choose_keys(target, needs_target)

    def again(self, keys: Sequence[str], shape: tuple[int, ...]) -> tuple[Array, Array | None]:
        """Inputs, and the target if it is there, from another file of the same make."""
        key, target = keys
        if not self.single:
            found = key if key in self.members else _named(self.members, _INPUT_NAMES) or next(iter(self.members))
            return self._load(found), self._load(target) if target in self.members else None
        whole = self._load("")
        column_named = target in _LAST or target.isdigit()
        if column_named and whole.ndim == 2 and whole.shape[1] == shape[0] + 1:
            column = _column_number(target, whole.shape[1])
            return np.delete(whole, column, axis=1), whole[:, column]
        return whole, None

    def _choose_keys(self, target: str | None, needs_target: bool) -> Chosen:
        known = list(self.members)
        if target is not None and target not in self.members:
            raise TrainwellError(
                "missing_column", "There is no array of this name.", argument="target", got=target,
                allowed=[name[:80] for name in known[:20]], hint=did_you_mean(target, known),
            )  # fmt: skip
        name = target or _named(self.members, _TARGET_NAMES)
        others = {key: member for key, member in self.members.items() if key != name}
        key = _named(others, _INPUT_NAMES) or (next(iter(others)) if len(others) == 1 else None)
        if key is None:
            raise TrainwellError(
                "no_inputs", "Which array holds the inputs?", argument="source", got=known[:20],
                allowed="an array called X beside the target", hint="Save with np.savez(file, X=inputs, y=target).",
            )  # fmt: skip
        if name is None and needs_target:
            raise TrainwellError(
                "missing_target", "Say which array is the target.", argument="target",
                allowed=[known_name[:80] for known_name in known[:20] if known_name != key],
            )  # fmt: skip
        left = [quoted(other, 40) for other in others if other != key]
        notes = [f"Arrays that are not used: {', '.join(left[:8])}."] if left else []
        inputs = self._load(key)
        if name is None:
            return Chosen(key, inputs, None, None, notes)
        labels, note = _flat_labels(self._load(name), len(inputs), name)
        return Chosen(key, inputs, labels, name, [*notes, *filter(None, [note])])

    def _choose_column(self, target: str | None, needs_target: bool) -> Chosen:
        whole = self._load("")
        if whole.ndim != 2 or whole.shape[1] < 2:
            if not needs_target:
                return Chosen("", whole, None, None)
            raise TrainwellError(
                "missing_target", f"This array of shape {whole.shape} has no column that could be the target.",
                argument="target", hint="Save inputs and target together: np.savez(file, X=inputs, y=target).",
            )  # fmt: skip
        notes: list[str] = []
        if target is None:
            if not _looks_like_labels(whole[:, -1]):
                if not needs_target:
                    return Chosen("", whole, None, None)
                raise TrainwellError(
                    "missing_target", "Say which column is the target; nothing in a .npy tells.", argument="target",
                    allowed=f"last, or a column number from 0 to {whole.shape[1] - 1}",
                    hint="Pass target: last if it is the last column.",
                )  # fmt: skip
            target = "last"
            notes.append("The last column is taken as the target: it holds few different whole numbers.")
        column = _column_number(target, whole.shape[1])
        if column == whole.shape[1] - 1:
            return Chosen("", whole[:, :-1], np.asarray(whole[:, -1]), target, notes)
        return Chosen("", np.delete(whole, column, axis=1), np.asarray(whole[:, column]), target, notes)

    def _load(self, name: str) -> Array:
        member = self.members[name]
        if member.dtype.kind not in "biufUS":
            raise TrainwellError(
                "array_type", f"Array {quoted(name or 'array', 40)} has type {member.dtype}.", argument="source",
                allowed="numbers, booleans, or text for the target",
            )  # fmt: skip
        if not member.shape or member.shape[0] == 0:
            raise TrainwellError("too_few_rows", "The array holds no rows.", argument="source", got=list(member.shape))
        try:
            if self.single:
                return np.load(self.path, mmap_mode="r", allow_pickle=False)
            with np.load(self.path, allow_pickle=False) as archive:
                return archive[name]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError, NotImplementedError) as error:
            raise _unreadable(self.path) from error
        except Exception as error:  # zlib.error is of no common base
            raise _unreadable(self.path) from error


def open_arrays(path: Path) -> ArrayFile:
    """Read the headers of a .npy or .npz.

    Raises:
        TrainwellError: `needs_pickle`, `array_unreadable`, `not_enough_memory`, `too_many_arrays`.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(2) != b"PK":
                stream.seek(0)
                return ArrayFile(path, {"": _header("", stream)})
        return ArrayFile(path, _archive_headers(path))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise _unreadable(path) from error


def _archive_headers(path: Path) -> dict[str, Member]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > _MOST_MEMBERS:
            raise TrainwellError(
                "too_many_arrays", f"The archive holds {len(entries):,} members.", argument="source",
                allowed=f"at most {_MOST_MEMBERS:,}", hint="Save the inputs as one array X and the target as y.",
            )  # fmt: skip
        if not entries or not all(re.fullmatch(r"[^/\\]+\.npy", entry.filename) for entry in entries):
            raise _unreadable(path)
        check_memory(sum(entry.file_size for entry in entries), "The arrays")
        members: dict[str, Member] = {}
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as stream:
                members[name] = _header(name, stream)
        return members


def _header(name: str, stream: IO[bytes]) -> Member:
    version = npy_format.read_magic(stream)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise TrainwellError(
            "needs_pickle", f"Array {quoted(name or 'array', 40)} holds Python objects, which only pickle can read.",
            argument="source", allowed="arrays of numbers, booleans or fixed-width text",
            hint="Save it with a plain type, such as np.asarray(values, dtype=np.float32).",
        )  # fmt: skip
    check_memory(int(np.prod(shape, dtype=object)) * dtype.itemsize, "The array")
    return Member(name, tuple(int(size) for size in shape), dtype)


def _flat_labels(labels: Array, count: int, name: str) -> tuple[Array, str | None]:
    """(N,) labels from (N,), (N, 1) or one-hot (N, K); (N, K) of 0 and 1 stays."""
    if len(labels) != count:
        raise TrainwellError(
            "wrong_shape", f"The inputs have {count:,} rows, the target {len(labels):,}.", argument="target", got=name
        )
    if labels.ndim == 1 or labels.size == count:
        return labels.reshape(count), None
    flags = labels.ndim == 2 and labels.dtype.kind in "biuf" and bool(np.isin(labels, (0, 1)).all())
    if flags and bool((labels.sum(axis=1) == 1).all()):
        return labels.argmax(axis=1), "The target was one-hot; its classes are the column numbers."
    if flags:
        return labels, None
    raise TrainwellError(
        "wrong_shape", f"The target has shape {labels.shape}.", argument="target", got=name,
        allowed="one value a row, one-hot classes, or labels as columns of 0 and 1",
    )  # fmt: skip


def _looks_like_labels(column: Array) -> bool:
    if column.dtype.kind not in "biuf" or not np.isfinite(column).all() or not (column == np.floor(column)).all():
        return False
    return 2 <= np.unique(column).size <= min(_MOST_GUESSED_CLASSES, len(column) // 3)


def _column_number(target: str, width: int) -> int:
    if target in _LAST:
        return width - 1
    if target.isascii() and target.isdigit() and len(target) < 10 and int(target) < width:
        return int(target)
    raise TrainwellError(
        "missing_column", "A .npy has columns without names.", argument="target", got=target,
        allowed=f"last, or a column number from 0 to {width - 1}",
    )  # fmt: skip


def _named(members: dict[str, Member], names: Sequence[str]) -> str | None:
    lower = {key.lower(): key for key in members}
    return next((lower[name] for name in names if name in lower), None)


def _unreadable(path: Path) -> TrainwellError:
    return TrainwellError(
        "array_unreadable", "The file is not whole, or not an array file.", argument="source", got=path.name,
        allowed=".npy or .npz as numpy.save and numpy.savez write them",
    )  # fmt: skip
