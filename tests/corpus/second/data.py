"""Faults of data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from tests.corpus.cases import Collection, Rows
from tests.corpus.second import sources
from tests.corpus.second.networks import dense, flat, pixels
from tests.corpus.second.sources import houses_table, pictures, sentences, series, tensors
from tests.corpus.sources import in_order

GROUP = "data"


def add(to: Collection) -> None:
    """All faults of data."""
    fault = partial(to.fault, group=GROUP)
    _labels(fault)
    _inputs(fault)
    _parts(fault)


def _labels(fault: Callable[..., None]) -> None:
    noise = "label_noise memorised_noise"
    fault("a quarter of the digits misread", twin="mnist by cnn", causes=noise, mends=False,
          data=pictures(spoils=[sources.mixed_up(0.3)]), train={"epochs": 25})  # fmt: skip
    fault("digits of which a third are misread, in Python", twin="mnist in Python", causes=noise, mends=False,
          rows=tensors("mnist", train=[sources.mixed_up(0.35)]), train={"epochs": 20})  # fmt: skip
    fault("clusters with wrong names", twin="clusters in Python", causes=noise, mends=False,
          rows=tensors("clusters", train=[sources.mixed_up(0.3)]), train={"epochs": 30})  # fmt: skip
    mixed = "labels_misaligned memorised_noise"
    fault("kinds that belong to other series", twin="oscillations by tcn", causes=mixed, mends=False,
          data=series([sources.mixed_up(1.0)]))  # fmt: skip
    fault("prices one row too low", twin="houses by tools", causes=mixed, mends=False,
          data=houses_table([sources.next_row]))  # fmt: skip
    fault("digits whose labels were sorted apart", twin="mnist in Python", causes=mixed, mends=False,
          rows=tensors("mnist", train=[sources.mixed_up(1.0)], others=[sources.mixed_up(1.0)]))  # fmt: skip
    fault("clusters by number", twin="clusters in Python", causes="wrong_target_encoding", mends=False,
          rows=tensors("clusters", train=[sources.as_numbers], others=[sources.as_numbers], raw_target=True),
          network=flat(dense(20, 1)))  # fmt: skip
    fault(
        "prices in dollars",
        twin="houses in Python",
        causes="target_not_normalised",
        mends=False,
        rows=tensors("houses", train=[sources.times(1000.0)], others=[sources.times(1000.0)], raw_target=True),
    )
    fault("a class of twelve rows", twin="clusters in Python", causes="class_imbalance",
          rows=tensors("clusters", train=[sources.thinned(2, 12)]), metric="recall")  # fmt: skip


def _inputs(fault: Callable[..., None]) -> None:
    raw = "inputs_not_normalised"
    fault("houses as they were measured", twin="houses in Python", causes=raw, mends=False,
          rows=tensors("houses", scaled=False), train={"optimizer": "sgd"})  # fmt: skip
    fault("photographs from 0 to 255", twin="photographs in Python", causes=raw, mends=False,
          rows=tensors("photographs", scaled=False), network=pixels(3, 4), train={"optimizer": "sgd"})  # fmt: skip
    fault("loop over cars as they were measured", twin="loop over cars", causes=raw, mends=False,
          rows=tensors("cars", scaled=False, column=True))  # fmt: skip
    fault("a hole in three pictures", twin="mnist in Python", causes="non_finite_inputs", mends=False,
          rows=tensors("mnist", train=[sources.holes(3)]))  # fmt: skip
    fault("loop that meets holes", twin="loop over cars", causes="non_finite_inputs", mends=False,
          rows=tensors("cars", train=[sources.holes(2)], column=True))  # fmt: skip
    fault("a column that is nearly the price", twin="houses by tools", causes="target_leakage", mends=False,
          data=houses_table([sources.copied_answer(0.03)]))  # fmt: skip
    fault("a column that is nearly the price, in Python", twin="houses in Python", causes="target_leakage", mends=False,
          rows=tensors("houses", train=[sources.copied_answer(0.05)], others=[sources.copied_answer(0.05)]),
          network=flat(dense(14, 1, (48, 24))))  # fmt: skip
    fault("sentences cut to two words", twin="sentences by bag", causes="truncated_sequences", data=sentences(length=2))


def _parts(fault: Callable[..., None]) -> None:
    shift = "distribution_shift preprocessing_mismatch"
    fault("digits one class after the other", twin="mnist read anew", causes="unshuffled_data", mends=False,
          rows=tensors("mnist", train=[sources.by_class]), loader=in_order, train={"stream": True})  # fmt: skip
    fault("validation in negative", twin="mnist in Python", causes=shift, mends=False,
          rows=tensors("mnist", others=[sources.inverted]))  # fmt: skip
    fault("other clusters in validation", twin="clusters in Python", causes=shift, mends=False,
          rows=tensors("clusters", others=[sources.moved(1.5, 8)]))  # fmt: skip
    fault("validation rows that were learnt", twin="clusters in Python", causes="split_leakage", mends=False,
          rows=_overlapping)  # fmt: skip
    fault("validation by nine houses", twin="houses in Python", causes="small_validation_set", mends=False,
          rows=tensors("houses", judged=9))  # fmt: skip


def _overlapping() -> Rows:
    """Two fifths of the validation rows are from training."""
    x, y, x_val, y_val = tensors("clusters")()
    own = 2 * len(x_val) // 5
    return x, y, torch.cat([x_val[own:], x[:own]]), torch.cat([y_val[own:], y[:own]])
