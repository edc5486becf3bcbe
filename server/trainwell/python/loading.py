"""From somebody's DataLoader to what the engine trains on: arrays where rows read the same twice, else a stream."""

# torch's stubs leave the types of loaders and their parts open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
)

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.parts import SplitArrays
from trainwell.training.device import free_memory
from trainwell.training.seeding import derive
from trainwell.training.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

# Rows that are read twice to see whether they are the same each time.
READ_TWICE = 32
# Rows may take this share of the free memory.
MEMORY_SHARE = 0.4
# Rows of a stream that are kept beside it, to measure the fit on.
SAMPLE_ROWS = 1024
READ_BATCH = 512
VALIDATION_FRACTION = 0.15
FEWEST_ROWS = 5
_LAYOUT = "batches of the form (inputs, target) or (input 1, input 2, ..., target), all tensors of one length"

Columns = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Loaded:
    """Training and validation rows.

    Attributes:
        train: Inputs, then the target; of a stream a sample.
        validation: Likewise, all of them.
        stream: Where the training batches come from, when not from `train`.
        batch_size: Rows of a batch.
        words: What was decided, in sentences.
    """

    train: Columns
    validation: Columns
    stream: Stream | None
    batch_size: int
    words: tuple[str, ...]

    @property
    def train_rows(self) -> int:
        """Rows of an epoch."""
        return sum(self.stream.sizes) if self.stream is not None else len(self.train[-1])


def check_loader(loader: object, argument: str) -> None:
    """Refuse what is no loader, or an empty one: the manifest's "Non-empty DataLoader".

    Raises:
        TrainwellError: `wrong_type`, `empty_loader`.
    """
    if not isinstance(loader, DataLoader):
        raise TrainwellError(
            "wrong_type", f"{argument} is a {type(loader).__name__}, not a DataLoader.", argument=argument,
            allowed="Non-empty DataLoader",
            hint="Wrap it: DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True).",
        )  # fmt: skip
    dataset = loader.dataset
    if not isinstance(dataset, IterableDataset) and len(cast("Any", dataset)) == 0:
        raise _empty(argument)


def load(loader: DataLoader[Any], validation: DataLoader[Any] | None, *, seed: int, stream: bool | None) -> Loaded:
    """Take a training loader, and one to validate by, for the engine.

    Args:
        loader: Checked by `check_loader`.
        validation: The same; None holds a seeded part of the training rows out.
        seed: Decides which.
        stream: True reads the loader anew each epoch, False once; None looks whether rows read the same twice.

    Raises:
        TrainwellError: `unsupported_batch`, `empty_loader`, `missing_argument`, `too_few_rows`, `cannot_stream`.
    """
    judged = None if validation is None else read_all(validation, "val_loader")
    plain = _is_plain(loader)
    if stream is False or (stream is None and plain and _repeats(loader) and _fits(loader)):
        return _in_memory(loader, judged, seed=seed, plain=plain)
    source: DataLoader[Any] = loader
    words: list[str] = []
    if judged is None:
        if not plain:
            raise TrainwellError(
                "missing_argument", "A loader with a sampler, collate function or iterable of its own stays as it is.",
                argument="val_loader", hint="Pass val_loader: no rows can be held out of it.",
            )  # fmt: skip
        source, held = _parted(loader, seed)
        judged = read_all(held, "train_loader")
        words.append(_held_words(len(judged[-1])))
    found = Stream(source, _sizes(source), _batch_size(loader), lambda batch: tensors_of(batch, "train_loader"))
    sample = _sample(source)
    words.insert(0, "rows are read from the loader anew each epoch: its own order and augmentation are kept")
    return Loaded(sample, judged, found, found.batch_size, tuple(words))


def _in_memory(loader: DataLoader[Any], judged: Columns | None, *, seed: int, plain: bool) -> Loaded:
    columns = _dataset_columns(loader) if plain else read_all(loader, "train_loader")
    words = ["rows are read from the loader once; each epoch has an order of its own, which follows from the seed"]
    if judged is None:
        train, held = _held_out(len(columns[-1]), seed)
        judged = tuple(column[held] for column in columns)
        columns = tuple(column[train] for column in columns)
        words.append(_held_words(len(held)))
    return Loaded(columns, judged, None, _batch_size(loader), tuple(words))


def read_all(loader: Iterable[Any], argument: str) -> Columns:
    """Every row that a loader gives in one pass, inputs first, target last.

    Raises:
        TrainwellError: `unsupported_batch`, `empty_loader`.
    """
    batches = [tensors_of(batch, argument) for batch in loader]
    if not batches or not sum(len(batch[-1]) for batch in batches):
        raise _empty(argument)
    return tuple(torch.cat(column).numpy() for column in zip(*batches, strict=True))


def tensors_of(batch: Any, argument: str) -> tuple[Tensor, ...]:
    """Inputs and target of a batch in the engine's types: float32 for any floating point, int64 for class numbers.

    Raises:
        TrainwellError: `unsupported_batch`.
    """
    parts = _flat(batch)
    if len(parts) < 2 or not all(isinstance(part, torch.Tensor) and part.ndim for part in parts):
        raise _unsupported(argument, batch)
    tensors = [cast("Tensor", part).detach() for part in parts]
    if len({len(tensor) for tensor in tensors}) != 1:
        raise _unsupported(argument, batch)
    *inputs, target = (tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors)
    return (*inputs, target if target.is_floating_point() else target.long())


def as_arrays(columns: Columns) -> SplitArrays:
    """Rows as evaluation takes them."""
    return SplitArrays(columns[:-1], columns[-1], np.arange(len(columns[-1])))


def _flat(batch: Any) -> list[Any]:
    if not isinstance(batch, list | tuple):
        return [batch]
    parts: Sequence[Any] = batch
    return [leaf for part in parts for leaf in (_flat(part) if isinstance(part, list | tuple) else [part])]


def _is_plain(loader: DataLoader[Any]) -> bool:
    """Whether the loader takes each row of a dataset once, in order or shuffled, and stacks them."""
    sampler = loader.sampler
    once = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement and sampler.num_samples == len(sampler)
        and len(sampler) == len(cast("Any", loader.dataset))
    )  # fmt: skip
    stacked = loader.collate_fn is default_collate and loader.batch_size is not None
    return once and stacked and not isinstance(loader.dataset, IterableDataset)


def _repeats(loader: DataLoader[Any]) -> bool:
    """Whether rows read the same twice; augmentation does not."""
    if _stored(loader.dataset) is not None:
        return True
    dataset = cast("Any", loader.dataset)
    places = np.linspace(0, len(dataset) - 1, min(READ_TWICE, len(dataset))).astype(int).tolist()
    first, second = ([_flat(dataset[place]) for place in places] for _ in range(2))
    return all(_same(a, b) for a, b in zip(first, second, strict=True))


def _same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(first, second, strict=True)
    )


def _fits(loader: DataLoader[Any]) -> bool:
    """Whether all rows fit into memory beside what is there."""
    dataset = cast("Any", loader.dataset)
    if _stored(dataset) is not None:
        return True
    row = sum(torch.as_tensor(part).nbytes for part in _flat(dataset[0]))
    return row * len(dataset) <= MEMORY_SHARE * free_memory()


def _stored(dataset: Dataset[Any]) -> tuple[Tensor, ...] | None:
    """The tensors of a dataset that is nothing but tensors."""
    if isinstance(dataset, TensorDataset):
        return dataset.tensors
    if isinstance(dataset, Subset) and (whole := _stored(dataset.dataset)) is not None:
        index = torch.as_tensor(list(dataset.indices), dtype=torch.int64)
        return tuple(tensor[index] for tensor in whole)
    if isinstance(dataset, ConcatDataset):
        parts = [_stored(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return tuple(map(torch.cat, zip(*known, strict=True))) if len(known) == len(parts) else None
    return None


def _dataset_columns(loader: DataLoader[Any]) -> Columns:
    stored = _stored(loader.dataset)
    if stored is not None:
        return tuple(tensor.cpu().numpy() for tensor in tensors_of(stored, "train_loader"))
    reading = DataLoader(loader.dataset, batch_size=READ_BATCH, num_workers=loader.num_workers)
    return read_all(reading, "train_loader")


def _held_out(rows: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Numbers of the rows to train on and of those that are held out.

    Raises:
        TrainwellError: `too_few_rows`.
    """
    if rows < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"{rows} rows are too few to hold some out.", argument="train_loader", got=rows,
            allowed=f"at least {FEWEST_ROWS} rows", hint="Pass val_loader.",
        )  # fmt: skip
    order = np.random.default_rng(derive(seed, "validation")).permutation(rows)
    held = max(1, round(rows * VALIDATION_FRACTION))
    return np.sort(order[held:]), np.sort(order[:held])


def _parted(loader: DataLoader[Any], seed: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The loader without the rows that are held out, and one of these."""
    dataset = loader.dataset
    train, held = _held_out(len(cast("Any", dataset)), seed)
    shuffled = isinstance(loader.sampler, RandomSampler)
    first = DataLoader(
        Subset(dataset, train.tolist()), batch_size=loader.batch_size, shuffle=shuffled, drop_last=loader.drop_last,
        num_workers=loader.num_workers, pin_memory=loader.pin_memory,
    )  # fmt: skip
    return first, DataLoader(Subset(dataset, held.tolist()), batch_size=READ_BATCH)


def _held_words(rows: int) -> str:
    return f"{rows} rows are held out of train_loader to validate by (no val_loader was given)"


def _sizes(loader: DataLoader[Any]) -> list[int]:
    """Rows of each batch of an epoch; read once where the loader does not know."""
    size = loader.batch_size
    if size is None or isinstance(loader.dataset, IterableDataset):
        sizes = [len(tensors_of(batch, "train_loader")[-1]) for batch in loader]
        if not sizes:
            raise _empty("train_loader")
        return sizes
    full, rest = divmod(len(cast("Any", loader.sampler)), size)
    return [size] * full + ([rest] if rest and not loader.drop_last else [])


def _batch_size(loader: DataLoader[Any]) -> int:
    if loader.batch_size is not None:
        return loader.batch_size
    return len(tensors_of(next(iter(loader)), "train_loader")[-1])


def _sample(loader: DataLoader[Any]) -> Columns:
    """The first rows of one pass."""
    batches: list[tuple[Tensor, ...]] = []
    most = max(1, SAMPLE_ROWS // _batch_size(loader))
    batches = [tensors_of(batch, "train_loader") for batch in islice(loader, most)]
    if not batches:
        raise _empty("train_loader")
    return tuple(torch.cat(column).numpy() for column in zip(*batches, strict=True))


def _empty(argument: str) -> TrainwellError:
    return TrainwellError(
        "empty_loader",
        f"{argument} gives no rows.",
        argument=argument,
        allowed="Non-empty DataLoader",
        hint="Look at its dataset (len of it is 0?), its sampler, and drop_last with fewer rows than a batch.",
    )


def _unsupported(argument: str, batch: Any) -> TrainwellError:
    got = [tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__ for part in _flat(batch)]
    return TrainwellError(
        "unsupported_batch", f"{argument} gives batches of another form: {quoted(got)}.", argument=argument,
        allowed=_LAYOUT, hint="Give the loader a dataset (or a collate_fn) that makes such batches.",
    )  # fmt: skip
