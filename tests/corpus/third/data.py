"""Faults of data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from tests.corpus.cases import Collection, Rows
from tests.corpus.second.sources import by_class, mixed_up, read_anew, thinned
from tests.corpus.sources import in_order
from tests.corpus.third import sources, spoils
from tests.corpus.third.networks import pixels_file
from tests.corpus.third.sources import TextRows, parts, pictures, speeches, table, tensors


def add(to: Collection) -> None:
    """All faults of data."""
    fault = partial(to.fault, group="data")
    _labels(partial(fault, mends=False))
    _leaks(partial(fault, mends=False))
    _scales(partial(fault, mends=False))
    _classes(fault)
    _encodings(fault)
    _splits(partial(fault, mends=False))


def _labels(fault: Callable[..., None]) -> None:
    noise = "label_noise memorised_noise"
    fault("vowels of which a quarter are mistyped", twin="vowels in parts", causes=noise,
          data=parts("vowel", train=(spoils.mistyped(0.25),)))  # fmt: skip
    fault("satellites labelled by a tired hand", twin="satellites in parts", causes=noise,
          data=parts("satimage", train=(spoils.mistyped(0.35),), rows=1800), train={"epochs": 40})  # fmt: skip
    fault("letters that many people read", twin="letters in Python", causes=noise,
          rows=tensors("letters", train=[mixed_up(0.35)]), train={"epochs": 20})  # fmt: skip
    fault("speeches of which a third are another's", twin="speeches by bag", causes=noise,
          data=speeches(change=_others_words(0.35)))  # fmt: skip
    mixed = "labels_misaligned memorised_noise"
    fault("segments joined one row off", twin="segments", causes=mixed,
          data=table("segment", spoils.one_row_off, rows=1500))  # fmt: skip
    fault("letters whose names were sorted alone", twin="letters", causes=mixed,
          data=pictures("letters", mixed_up(1.0)))  # fmt: skip
    fault("radii of other pictures", twin="radii", causes=mixed, data=pictures("radii", mixed_up(1.0), rows=800))
    fault("topics of other texts", twin="topics", causes=mixed, data=partial(sources.topics, mixed=True))
    fault("strokes numbered by another list in validation", twin="strokes in Python", causes="labels_misaligned",
          rows=tensors("strokes", others=[spoils.renumbered]))  # fmt: skip


def _others_words(share: float) -> Callable[[TextRows], TextRows]:
    def change(rows: TextRows) -> TextRows:
        random = np.random.default_rng(5)
        wrong = np.flatnonzero(random.random(len(rows)) < share)
        named = dict(zip(wrong.tolist(), random.permutation(wrong).tolist(), strict=True))
        return [(text, rows[named.get(place, place)][1]) for place, (text, _) in enumerate(rows)]

    return change


def _leaks(fault: Callable[..., None]) -> None:
    fault("credit copied until it was balanced", twin="credit", causes="split_leakage",
          data=table("german", spoils.repeated("c2", 3)))  # fmt: skip
    fault("letters varied before they were split", twin="letters", causes="split_leakage",
          data=pictures("letters", spoils.copied(3), rows=350))  # fmt: skip
    fault("vehicles judged by what was learnt", twin="vehicles in Python", causes="split_leakage", rows=_half_known)
    answer = "target_leakage"
    fault(
        "carseats with last year's report",
        twin="carseats",
        causes=answer,
        data=table("carseats", spoils.with_column("reported", lambda part, random: part["Sales"].round())),
    )
    fault("defaults with the calls that followed", twin="defaults, weighted", causes=answer,
          data=table("defaults", spoils.with_column(
              "calls", lambda part, random: np.where(part["default"] == "Yes", 1 + random.poisson(3, len(part)), 0)),
              rows=4000))  # fmt: skip
    fault("speeches that end with the party", twin="speeches by bag", causes=answer,
          data=speeches(change=lambda rows: [(f"{party} : {text}", party) for text, party in rows]))  # fmt: skip


def _half_known() -> Rows:
    x, y, x_val, y_val = tensors("vehicle")()
    own = len(x_val) // 2
    return x, y, torch.cat([x_val[own:], x[:own]]), torch.cat([y_val[own:], y[:own]])


def _scales(fault: Callable[..., None]) -> None:
    raw = "inputs_not_normalised"
    fault("vehicles as they were measured", twin="vehicles in Python", causes=raw,
          rows=tensors("vehicle", scaled=False), train={"optimizer": "sgd"})  # fmt: skip
    fault("loop over satellites as they were measured", twin="loop over satellites by sgd", causes=raw,
          rows=tensors("satimage", scaled=False))  # fmt: skip
    fault("letters that were not divided by 255", twin="letters by a file", causes=f"{raw} saturated_units",
          network=pixels_file(10, first="x.float()"))  # fmt: skip
    fault("letters divided by 255 twice", twin="letters by a file", causes=raw,
          network=pixels_file(10, first="x.float() / 255 / 255"))  # fmt: skip
    fault("gems in dollars", twin="loop over gems", causes="target_not_normalised",
          rows=tensors("gems", column=True, raw_target=True))  # fmt: skip
    fault("shares in parts of ten thousand", twin="spectra in Python", causes="target_not_normalised",
          rows=tensors("spectra", train=[_ten_thousand], others=[_ten_thousand], raw_target=True))  # fmt: skip
    holes = "non_finite_inputs"
    fault("spectra in logarithms", twin="spectra in Python", causes=holes,
          rows=tensors("spectra", scaled=False, train=[_dark, spoils.in_logarithms]))  # fmt: skip
    fault("gems of which some have no price", twin="loop over gems", causes=holes,
          rows=tensors("gems", column=True, raw_target=True, train=[_in_thousands, spoils.lost_answers(4)],
                           others=[_in_thousands]))  # fmt: skip


def _ten_thousand(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x, 1e4 * y


def _in_thousands(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return x, y / 4000 - 1


def _dark(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A detector that did not answer, three times."""
    x[random.permutation(len(x))[:3], 40] = 0.0
    return x, y


def _classes(fault: Callable[..., None]) -> None:
    fault("bands that are dead but for four", twin="loop over satellites by sgd", causes="constant_features",
          mends=False,
          rows=tensors("satimage", train=[spoils.dead_columns(2)], others=[spoils.dead_columns(2)]))  # fmt: skip
    rare = "class_imbalance"
    fault("defaults as they come", twin="defaults, weighted", causes=rare, train={"class_weights": "none"})
    fault("letters of which three are rare", twin="letters in Python", causes=rare, metric="recall",
          train={"epochs": 6}, rows=tensors("letters", train=[thinned(label, 5) for label in (3, 5, 6)]))  # fmt: skip
    order = "unshuffled_data"
    fault("strokes digit by digit", twin="strokes read anew", causes=order, mends=False,
          rows=tensors("strokes", train=[by_class]), loader=in_order, train={"stream": True})  # fmt: skip
    fault("letters folder by folder", twin="letters in Python", causes=order, mends=False,
          rows=tensors("letters", train=[by_class]), loader=in_order, train={"stream": True})  # fmt: skip


def _encodings(fault: Callable[..., None]) -> None:
    encoded = "wrong_target_encoding"
    fault("satellites by number", twin="satellites", causes=encoded, data=table("satimage", spoils.numbered, rows=1800),
          prepare={"task": "regression"})  # fmt: skip
    fault("each rate a class of its own", twin="colleges", causes=encoded, prepare={"task": "classification"})
    cut = "truncated_sequences"
    fault("speeches cut for a transformer", twin="speeches by transformer", causes=cut, data=speeches(length=2))
    fault("speeches cut after three words", twin="speeches by bag", causes=cut, data=speeches(length=3))
    strong = "augmentation_too_strong"
    fault("letters seen in a mirror", twin="letters", causes=strong, train={"augment": ["flip"]})
    fault("strokes that shake", twin="strokes read anew", causes=strong, mends=False,
          loader=read_anew(lambda path: path + 3 * torch.randn_like(path)))  # fmt: skip


def _splits(fault: Callable[..., None]) -> None:
    few = "small_validation_set"
    fault("satellites judged by eighteen", twin="satellites", causes=few, mends=True,
          prepare={"validation_fraction": 0.01})  # fmt: skip
    fault("vehicles judged by a dozen", twin="vehicles in Python", causes=few, rows=tensors("vehicle", judged=12))
    shift = "distribution_shift preprocessing_mismatch"
    fault("gems from small to large", twin="gems in parts", causes="distribution_shift",
          data=parts("gems", rows=1500, sort_by="carat"))  # fmt: skip
    fault("satellites under another sun", twin="satellites in parts", causes=shift,
          data=parts("satimage", others=(spoils.brighter(1.3, 10.0),), rows=1800))  # fmt: skip
    fault("forms by night", twin="forms in Python", causes=shift, rows=tensors("forms", others=[spoils.times(0.25)]))
    fault("strokes in another unit", twin="strokes in Python", causes=shift,
          rows=tensors("strokes", others=[spoils.times(0.01)]))  # fmt: skip
