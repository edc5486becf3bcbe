"""Which words an answer rests on: each word of a text is taken away in turn (Li et al. 2016, arXiv 1612.08220)."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.evaluation import tasks
from trainwell.evaluation.explaining.explained import Explained, Feature, some_rows
from trainwell.evaluation.numbers import short
from trainwell.evaluation.outputs import outputs
from trainwell.evaluation.scored import score_rows
from trainwell.evaluation.tasks.classification import log_probabilities
from trainwell.reports.importance import draw_importance

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.metrics import Floats

MOST_TEXTS, MOST_WORDS, SHOWN = 40, 60, 4
# A word that fewer texts hold has no interval.
OFTEN = 3
LONGEST_WORD = 30
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def explain_texts(
    module: nn.Module, prepared: PreparedData, arrays: SplitArrays, raw: Path, picture: tuple[Path, str] | None
) -> Explained:
    """Take words away, one at a time, and see what the answer loses.

    Raises:
        TrainwellError: `no_raw_rows`, `no_labelled_rows`.
    """
    if not raw.is_file():
        raise TrainwellError(
            "no_raw_rows", "The texts of this split are not kept in this workspace.", argument="split",
            hint="Explain the run where its data was prepared.",
        )  # fmt: skip
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    texts = pl.scan_parquet(raw).select(prepared.encoding["text"]).collect().to_series().fill_null("")
    some = some_rows(arrays, MOST_TEXTS)
    rows = np.flatnonzero(np.isin(arrays.rows, some.rows))
    judge = tasks.judge(prepared)
    scored = score_rows(module, prepared, some, judge)
    heard: dict[str, list[float]] = defaultdict(list)
    examples: list[dict[str, Any]] = []
    order = np.argsort(-scored.loss, kind="stable")
    shown = {int(one) for one in (*order[: SHOWN // 2], *order[len(order) // 2 :][: SHOWN // 2])}
    for one, place in enumerate(scored.places):
        text = str(texts[int(rows[place])])
        words, losses = _lost(module, prepared, text)
        for word, loss in zip(words, losses, strict=True):
            heard[word.lower()].append(float(loss))
        if one in shown:
            top: list[int] = np.argsort(-np.abs(losses), kind="stable")[:4].tolist()
            strongest = {plain(words[best], LONGEST_WORD): short(float(losses[best]), 3) for best in top}
            examples.append({"row": int(scored.rows[one]), **judge.row(scored, one), "words": strongest})
    features = _features(heard)
    unit = "Loss of the answer's log probability without the word"
    unit = unit if prepared.task == "classification" else "Change of the output without the word"
    if picture is not None:
        draw_importance(features, picture[0], title=picture[1], unit=unit, rows=len(scored))
    notes = [f"Only the first {MOST_WORDS} words of a text were tried."] if _long(texts, rows) else []
    return Explained("each word taken away in turn", unit, len(scored), features, notes, examples)


def _lost(module: nn.Module, prepared: PreparedData, text: str) -> tuple[list[str], Floats]:
    """The words of a text, and what the answer loses without each: log probability, or change of the output."""
    from trainwell.data import encode  # noqa: PLC0415 - reads texts, with polars

    spans = [match.span() for match in _WORD.finditer(text)][:MOST_WORDS]
    if not spans:
        return [], np.zeros(0)
    variants = [text, *(text[:start] + text[stop:] for start, stop in spans)]
    encoded = encode(prepared, rows=[{prepared.encoding["text"]: one} for one in variants])
    raw = np.concatenate(list(outputs(module, encoded.inputs)))
    if prepared.task == "classification":
        raw = log_probabilities(raw)
    chosen = int(np.argmax(np.nan_to_num(raw[0], nan=-np.inf)))
    scale = prepared.target_std if prepared.task == "regression" else 1.0
    return [text[start:stop] for start, stop in spans], np.nan_to_num(raw[0, chosen] - raw[1:, chosen]) * scale


def _features(heard: dict[str, list[float]]) -> list[Feature]:
    """Words by what answers lose without them on average; those of several texts first, with an interval."""
    often = {word: np.array(losses) for word, losses in heard.items() if len(losses) >= OFTEN}
    chosen = often or {word: np.array(losses) for word, losses in heard.items()}
    found: list[Feature] = []
    generator = np.random.default_rng(0)
    for word, losses in chosen.items():
        low = high = None
        if len(losses) >= OFTEN:
            draws = losses[generator.integers(0, len(losses), (200, len(losses)))].mean(axis=1)
            low, high = (float(value) for value in np.percentile(draws, (2.5, 97.5)))
        found.append(Feature(word, float(losses.mean()), low, high, len(losses)))
    return sorted(found, key=lambda one: -one.importance)


def _long(texts: Any, rows: Any) -> bool:
    return any(len(_WORD.findall(str(texts[int(row)]))) > MOST_WORDS for row in rows)
