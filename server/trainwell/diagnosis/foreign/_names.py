"""What the columns of strangers mean: `Loss/train`, `val_acc_epoch`, `eval_top1`, `lr-AdamW/pg1`, `train/box_loss`.

A name is cut into words. One says the quantity, one the part of the data, one whether it counts steps or epochs; what
remains qualifies it. A quantity with a qualifier (`aux_loss`) is taken only where no plain one stands beside it.
Sources of the names: the loggers of Lightning, Keras, Hugging Face Trainer, timm, MMEngine, Detectron2, Ultralytics
and fastai.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.diagnosis.foreign._document import Cells

_WORD = re.compile(r"[a-z0-9.@]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_SIDES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "eval", "evaluation", "dev"),
    "test": ("test", "testing"),
}
_SIDE = {word: side for side, words in _SIDES.items() for word in words}
_STEPS = {"step", "steps", "iter", "iters", "iteration", "iterations", "batch", "update", "updates"}
_EPOCHS = {"epoch", "epochs"}
_QUANTITIES = {
    "loss": {"loss", "losses", "nll", "logloss", "objective"},
    "accuracy": {"acc", "accuracy", "top1", "acc1", "acc@1", "prec@1"},
    "f1": {"f1"},
    "r2": {"r2", "rsquared"},
    "rmse": {"rmse"},
    "lr": {"lr"},
}
# Words that change nothing about a quantity.
_NEUTRAL = {
    "metrics", "metric", "score", "mean", "avg", "average", "total", "global", "overall", "running", "sparse",
    "categorical", "binary", "vs", "trainer", "rate", "base", "current", "log", "macro", "weighted", "cross",
    "entropy", "ce", "crossentropy", "model", "num", "number", "full",
}  # fmt: skip
# Qualifiers of a quantity that is not the one that a run is judged by.
_OTHER = {
    "top5", "acc5", "acc@5", "topk", "aux", "kl", "reg", "regularization", "commitment", "best", "ema", "min", "max",
    "std", "smooth", "smoothed", "g", "d", "gen", "disc", "generator", "discriminator", "scale", "weight", "scaler",
}  # fmt: skip
# Ultralytics logs the parts of a detector's loss, each already weighted: their sum is the loss.
_PARTS = {"box", "cls", "dfl", "obj", "seg", "pose", "kobj"}
# A column of whose cells more than this share is NaN between numbers was not measured there.
SPARSE = 1 / 3
# Values that an epoch's mean needs before it is preferred to the steps' own values.
FEWEST_MEANS = 2


@dataclass(frozen=True)
class _Meaning:
    field: str
    phase: str  # "epoch", "step" or nothing
    qualifiers: tuple[str, ...]
    part: bool = False
    test: bool = False
    sided: bool = False


def understand(names: Sequence[str], rows: list[Cells]) -> tuple[dict[str, list[str]], list[str]]:
    """Find the column of each field.

    Args:
        names: As they are written.
        rows: To see how many values each has.

    Returns:
        Field of our records -> the columns that give it (several are summed), and the columns that were not understood.
    """
    counts = Counter(name for row in rows for name in row)
    candidates: dict[str, list[tuple[str, _Meaning]]] = {}
    for name in names:
        if (found := _meaning(name)) is not None:
            candidates.setdefault(found.field, []).append((name, found))
    _move_scores(candidates)
    chosen = {field: _choose(named, counts) for field, named in candidates.items()}
    chosen = {field: columns for field, columns in chosen.items() if columns}
    used = {name for columns in chosen.values() for name in columns}
    used |= {name for field in chosen for name, found in candidates[field] if not found.qualifiers}
    return chosen, [name for name in names if name not in used]


def _move_scores(candidates: dict[str, list[tuple[str, _Meaning]]]) -> None:
    """A bare accuracy beside both losses by their side is of validation, as fastai and the Trainer's tables have it."""
    losses = [found for _, found in candidates.get("train_loss", ())]
    scores = candidates.get("train_accuracy", [])
    both = "val_loss" in candidates and losses and all(found.sided for found in losses)
    if both and "val_accuracy" not in candidates and not any(found.sided for _, found in scores):
        candidates |= {"val_accuracy": scores, "train_accuracy": []}


def renamed(rows: list[Cells], understood: dict[str, list[str]]) -> list[Cells]:
    """The rows by the fields of our records; NaN that stands for "not measured" is left out."""
    sparse = {name for columns in understood.values() for name in columns if _is_sparse(name, rows)}
    kept: list[Cells] = []
    for row in rows:
        cells = {
            field: sum(row[name] for name in columns)
            for field, columns in understood.items()
            if all(name in row and not (name in sparse and math.isnan(row[name])) for name in columns)
        }
        if cells:
            kept.append(cells)
    return kept


def _is_sparse(name: str, rows: list[Cells]) -> bool:
    values = [row[name] for row in rows if name in row]
    last = max((place for place, value in enumerate(values) if math.isfinite(value)), default=0)
    return sum(map(math.isnan, values[:last])) > SPARSE * len(values)


def _choose(named: list[tuple[str, _Meaning]], counts: Counter[str]) -> list[str]:
    """The columns of one field: plain before qualified, validation before test, means of epochs before steps."""
    if any(not found.test for _, found in named):
        named = [one for one in named if not one[1].test]
    plain = [one for one in named if not one[1].qualifiers]
    parts = [name for name, found in named if found.part]
    if not plain:
        return parts or ([named[0][0]] if len(named) == 1 and not set(named[0][1].qualifiers) & _OTHER else [])
    order = {"epoch": 0, "": 1, "step": 2}
    best = min(plain, key=lambda one: (counts[one[0]] < FEWEST_MEANS, order[one[1].phase], -counts[one[0]]))
    return [best[0]]


def _meaning(name: str) -> _Meaning | None:
    words = _WORD.findall(_CAMEL.sub("_", name[:200]).lower())
    rest = [word for word in words if word not in _SIDE and word not in _NEUTRAL]
    sides = {_SIDE[word] for word in words if word in _SIDE}
    if not rest or len(sides) > 1:
        return None
    if set(rest) <= _EPOCHS:
        return _Meaning("epoch", "", ())
    if set(rest) <= _STEPS:
        return _Meaning("step", "", ())
    side = next(iter(sides), "")
    return _of_gradient(rest) or _of_speed(rest) or _of_quantity(rest, side)


def _of_gradient(rest: list[str]) -> _Meaning | None:
    if not ({"grad", "gradient", "gradients"} & set(rest) and "norm" in rest):
        return None
    others = set(rest) - {"grad", "gradient", "gradients", "norm", "l2", "2.0", "pre", "clip", "before", "clipping"}
    if others - {"max", *_STEPS, *_EPOCHS}:
        return None  # of one layer
    return _Meaning("grad_norm_max" if "max" in others else "grad_norm", "", ())


def _of_speed(rest: list[str]) -> _Meaning | None:
    words = set(rest)
    fast = {"samples", "per"} <= words and words & {"second", "sec"}
    return _Meaning("samples_per_second", "", ()) if fast or words == {"throughput"} else None


def _of_quantity(rest: list[str], side: str) -> _Meaning | None:
    if {"learning"} & set(rest):  # of "learning_rate"; "rate" is a neutral word
        rest = ["lr", *(word for word in rest if word != "learning")]
    kind = next((kind for kind, words in _QUANTITIES.items() if words & set(rest)), None)
    if kind is None:
        return None
    phase = "epoch" if _EPOCHS & set(rest) else ("step" if _STEPS & set(rest) else "")
    qualifiers = tuple(word for word in rest if word not in _QUANTITIES[kind] | _STEPS | _EPOCHS)
    if kind == "lr":
        # One of several groups: the first stands for all.
        return _Meaning("lr", phase, ())
    if kind in ("f1", "r2", "rmse"):
        return None if side == "train" else _Meaning(f"val_{kind}", phase, qualifiers, test=side == "test")
    field = f"{'val' if side in ('val', 'test') else 'train'}_{kind}"
    part = kind == "loss" and len(qualifiers) == 1 and qualifiers[0] in _PARTS
    return _Meaning(field, phase, qualifiers, part=part, test=side == "test", sided=bool(side))
