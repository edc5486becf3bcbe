"""Symptoms told in words: which quantity moves how, clause by clause, without a model of language.

A sentence is read as quantities ("val loss", "train accuracy") and movements ("goes up", "is stuck", "nan").
Each movement belongs to the quantities just before it, or, as an adjective ("rising val loss"), to the one after.

The words that rules may find in `Trace.told`: non_finite_loss, out_of_memory, loss_explodes, loss_oscillates,
loss_stuck, loss_slow, score_stuck, val_loss_rises, train_val_gap, train_poor, lr_high, lr_low.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from trainwell.diagnosis.phrases import NON_FINITE, OUT_OF_MEMORY
from trainwell.diagnosis.vocabulary import (
    ADJECTIVE,
    BOTH,
    CLAUSE,
    DENIABLE,
    DENIAL_REACH,
    DIRECT,
    FROM_TO,
    NEGATION,
    OTHER_NUMBERS,
    SENTENCE,
    VALUE,
    VALUE_BEFORE,
    WORDS,
)

_LOSSES = ("loss", "train_loss")
_SCORES = ("accuracy", "train_accuracy", "val_accuracy")
_VALIDATION = ("val_loss", "val")
# What a denied movement says of a quantity: a loss that does not fall is flat, one that does not rise is well.
_DENIED = {
    "loss": {"down": "flat", "better": "flat", "change": "flat"},
    "accuracy": {"up": "flat", "better": "flat", "change": "flat"},
    "": {"down": "flat", "better": "flat", "change": "flat"},
}
_DIRECTIONS = {"loss": {"worse": "up", "better": "down"}, "accuracy": {"worse": "down", "better": "up"}, "": {}}


@dataclass
class Said:
    """What one text says: `moves` maps a quantity (or "") to its movements, `values` to a number given with it."""

    moves: dict[str, set[str]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    direct: set[str] = field(default_factory=set)

    def has(self, quantities: tuple[str, ...], *movements: str) -> bool:
        """Whether any of the quantities makes any of the movements."""
        return any(movement in self.moves.get(quantity, ()) for quantity in quantities for movement in movements)


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    kind: str
    name: str


def read(text: str) -> Said:
    """Read quantities, movements and values out of plain words."""
    plain = text.lower().replace("\u2019", "'").replace("_", " ")
    said = Said()
    for sentence in SENTENCE.split(plain):
        carried: list[str] = []
        for clause in CLAUSE.split(sentence):
            carried = _read_clause(clause, carried, said)
    _read_direct(plain, said)
    return said


def symptoms(said: Said) -> frozenset[str]:
    """The words for rules that follow from what was said."""
    anything = (*_LOSSES, *_SCORES, *_VALIDATION, "train", "")
    converging = any({"slow", "better"} <= said.moves.get(name, set()) for name in ("", "train"))
    found = {
        "non_finite_loss": said.has(anything, "nan"),
        "loss_explodes": said.has((*_LOSSES, "train", ""), "explode", "up"),
        "loss_oscillates": said.has(anything, "bounce"),
        "loss_stuck": said.has((*_LOSSES, "train", ""), "flat"),
        "loss_slow": said.has(_LOSSES, "slow") or converging,
        "score_stuck": said.has(("accuracy", "train_accuracy"), "flat") or said.has(("accuracy",), "low"),
        "lr_high": said.has(("lr",), "high") and not said.has(("lr",), "low"),
        "lr_low": said.has(("lr",), "low") and not said.has(("lr",), "high"),
        "train_poor": said.has(("train_accuracy",), "low") or said.has(("train_loss", "train"), "high"),
    }
    return frozenset(said.direct | {word for word, holds in found.items() if holds} | _of_validation(said))


def _of_validation(said: Said) -> set[str]:
    """What validation says, which depends on how training goes."""
    if said.has(("val_loss",), "up", "explode") or said.has(("val", "val_accuracy"), "worse", "down"):
        return {"val_loss_rises"}
    train_good = said.has((*_LOSSES, "train"), "down", "better", "low")
    train_good |= said.has(("train_accuracy", "train"), "up", "better", "high")
    behind = said.has(("val_loss",), "flat", "high") or said.has(("val_accuracy", "val"), "flat", "low")
    if behind and train_good:
        return {"train_val_gap"}
    if said.has(("val_accuracy", "val"), "flat"):
        return {"score_stuck"}
    return {"loss_stuck"} if said.has(("val_loss",), "flat") else set()


def _read_clause(clause: str, carried: list[str], said: Said) -> list[str]:
    """Pair the movements of a clause with its quantities; returns the quantities that the next one may mean."""
    words = _words(clause)
    subject, used = list(carried), True
    waiting: set[str] = set()
    taken: set[int] = set()
    for index, word in enumerate(words):
        if word.kind == "quantity":
            subject, used = ([word.name] if used else [*subject, word.name]), False
            _note_value(clause, words, index, said, taken)
            _add(said, [word.name], waiting)
            waiting = set()
            continue
        movement = _movement(clause, word)
        following = words[index + 1] if index + 1 < len(words) else None
        if movement is None:
            continue
        if following is not None and (not subject or _describes(clause, word, following)):
            waiting.add(movement)
            continue
        _add(said, _spread(subject) or [""], {movement})
        used = True
    _add(said, [""], waiting)
    return subject


def _describes(clause: str, word: _Word, following: _Word) -> bool:
    """Whether a movement stands as an adjective right before a quantity."""
    return following.kind == "quantity" and bool(ADJECTIVE.match(clause[word.end : following.start]))


def _spread(subject: list[str]) -> list[str]:
    """Give a bare "train" the kind of what follows it: "train and val loss" speaks of two losses."""
    kind = next((name.split("_")[-1] for name in reversed(subject) if "_" in name), None)
    return [f"{name}_{kind}" if kind and name in ("train", "val") else name for name in subject]


def _words(clause: str) -> list[_Word]:
    """Quantities and movements in order; where two overlap, the one that starts first, then the longer."""
    found = [
        _Word(match.start(), match.end(), kind, name)
        for kind, name, pattern in WORDS
        for match in pattern.finditer(clause)
    ]
    found += [_Word(match.start(), match.end(), "movement", "nan") for match in NON_FINITE.finditer(clause)]
    for match in FROM_TO.finditer(clause):
        direction = "up" if float(match[2]) > float(match[1]) else "down"
        found.append(_Word(match.start(), match.end(), "movement", direction))
    kept: list[_Word] = []
    for word in sorted(found, key=lambda word: (word.start, -word.end)):
        if not kept or word.start >= kept[-1].end:
            kept.append(word)
    return kept


def _movement(clause: str, word: _Word) -> str | None:
    """The movement; one that is denied with "not " before it where the denial says something, else None."""
    if not NEGATION.search(clause[: word.start]):
        return word.name
    return f"not {word.name}" if word.name in ("down", "up", "better", "change") else None


def _add(said: Said, quantities: list[str], movements: set[str]) -> None:
    for quantity in quantities:
        known = {_said_of(quantity, movement) for movement in movements}
        said.moves.setdefault(quantity, set()).update(movement for movement in known if movement)


def _said_of(quantity: str, movement: str) -> str | None:
    """A movement as this quantity makes it: better is down for a loss; None where a denial says nothing."""
    kind = next((kind for kind in ("loss", "accuracy") if quantity.endswith(kind)), "")
    if movement.startswith("not "):
        return _DENIED[kind].get(movement.removeprefix("not "))
    return _DIRECTIONS[kind].get(movement, movement)


def _note_value(clause: str, words: list[_Word], index: int, said: Said, taken: set[int]) -> None:
    """A number before a quantity ("99% on the training set"), behind it or behind its movement is its value.

    The number of an epoch is not, and a bare "train" with a number means its accuracy. `taken` holds where the
    numbers stand that belong to quantities before.
    """
    word, following = words[index], words[index + 1] if index + 1 < len(words) else None
    ends = [word.end, *([following.end] if following and following.kind == "movement" else [])]
    limit = next((other.start for other in words[index + 1 :] if other.kind == "quantity"), len(clause))
    found = [(VALUE_BEFORE.search(clause[: word.start]), 0)]
    found += [(VALUE.match(OTHER_NUMBERS.split(clause[end:limit], maxsplit=1)[0]), end) for end in ends]
    for match, offset in found:
        if match is not None and match.start(1) + offset not in taken:
            taken.add(match.start(1) + offset)
            name = f"{word.name}_accuracy" if word.name in ("train", "val") else word.name
            said.values[name] = float(match[1]) / (100.0 if match[2] else 1.0)
            return


def _denied(text: str, start: int) -> bool:
    return bool(NEGATION.search(text[max(start - DENIAL_REACH, 0) : start]))


def _read_direct(text: str, said: Said) -> None:
    """Symptoms that have a name of their own."""
    if any(not _denied(text, match.start()) for match in OUT_OF_MEMORY.finditer(text)):
        said.direct.add("out_of_memory")
    for word, pattern in DIRECT.items():
        for match in re.finditer(pattern, text):
            if not (DENIABLE.match(match[0]) and _denied(text, match.start())):
                said.direct.add(word)
    if BOTH.search(text) and said.has(_SCORES, "low"):
        said.direct.add("train_poor")
