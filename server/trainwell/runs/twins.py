"""How twins share a budget, and what their ends prove. Pure judgement, no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import TYPE_CHECKING

from trainwell.contract.findings import SEVERITIES, Proof
from trainwell.contract.text import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainwell.contract.findings import Severity, Verdict

MOST_FIXES, MOST_SEEDS, FEWEST_SEEDS = 3, 3, 2
# A twin's process needs so long (s) before its first and after its last step.
BESIDE_SECONDS = 0.5
# No twin is shorter than this share of its run, or than so many epochs; with less room fewer fixes are tried.
LEAST_SHARE, LEAST_SHARE_OF_ONE, FEWEST_EPOCHS = 0.25, 0.1, 3
ROUNDING = 1e-9
# A clear difference is at least so large: of a score between 0 and 1, and of a loss as a share of what it was.
SCORE_MATTERS, LOSS_MATTERS = 0.01, 0.05


@dataclass(frozen=True)
class Length:
    """What the whole training of one arm would take: seconds for so many epochs."""

    seconds: float
    epochs: int

    def least_share(self, least: float) -> float:
        """The smallest share of it that says something."""
        return min(1.0, max(least, FEWEST_EPOCHS / self.epochs))


@dataclass(frozen=True)
class Division:
    """How a budget is divided: seeds of each arm, how many of the arms, and the share of its epochs each twin has."""

    seeds: int
    arms: int
    share: float


def divide(lengths: Sequence[Length], budget_seconds: float) -> Division | None:
    """Divide a budget among twins.

    Args:
        lengths: Of the arms, the one without a fix first.
        budget_seconds: For all twins together.

    Returns:
        Three seeds of whole trainings where they fit; else two seeds and shorter ones; else fewer fixes; None when not
        even one fix fits.
    """
    arms = len(lengths)
    ways = [(MOST_SEEDS, arms, 1.0)]
    ways += [(FEWEST_SEEDS, some, LEAST_SHARE) for some in range(arms, 1, -1)]
    ways += [(FEWEST_SEEDS, 2, LEAST_SHARE_OF_ONE)]
    for seeds, some, least in ways:
        share = _share(lengths[:some], seeds, budget_seconds)
        if share >= max(length.least_share(least) for length in lengths[:some]) - ROUNDING:
            return Division(seeds, some, share)
    return None


def needed_seconds(lengths: Sequence[Length]) -> float:
    """The smallest budget that `divide` can do something with."""
    shortest = sum(length.seconds for length in lengths[:2])
    least = max(length.least_share(LEAST_SHARE_OF_ONE) for length in lengths[:2])
    return FEWEST_SEEDS * (least * shortest + 2 * BESIDE_SECONDS)


def _share(lengths: Sequence[Length], seeds: int, budget_seconds: float) -> float:
    room = budget_seconds / seeds - BESIDE_SECONDS * len(lengths)
    whole = sum(length.seconds for length in lengths)
    return max(0.0, min(1.0, room / whole)) if whole > 0 else 1.0


@dataclass(frozen=True)
class Ending:
    """How a twin ended.

    Attributes:
        score: Best validation score; None where it failed.
        loss: The validation loss there.
        failed: Whether it died; a twin that was stopped has neither a score nor failed.
        found: What the rules found in it: severity by code.
    """

    score: float | None = None
    loss: float | None = None
    failed: bool = False
    found: Mapping[str, Severity] = field(default_factory=dict[str, "Severity"])


def prove(without: Sequence[Ending], with_fix: Sequence[Ending], *, code: str | None, score_name: str) -> Proof:
    """Compare twins without and with a fix, seed by seed.

    Args:
        without: Endings by seed, of the run as it was.
        with_fix: Endings by seed, in the same order.
        code: The finding that the fix is for.
        score_name: The validation score, of which more is better.
    """
    pairs = [(a, b) for a, b in zip(without, with_fix, strict=True) if _ended(a) and _ended(b)]
    if len(pairs) < FEWEST_SEEDS:
        return Proof(verdict="not_tried", told="Its twins did not end.", pairs=len(pairs))
    deaths = sum(a.failed for a, _ in pairs), sum(b.failed for _, b in pairs)
    if deaths[0] != deaths[1]:
        return _by_deaths(deaths, pairs, code, score_name)
    alive = [(a, b) for a, b in pairs if not a.failed and not b.failed]
    if len(alive) < FEWEST_SEEDS:
        told = f"{deaths[1]} of {len(pairs)} twins failed with it as without it."
        return Proof(verdict="no_help", told=told, pairs=len(pairs))
    scores = _compared(alive, score_name)
    losses = _compared([pair for pair in alive if pair[0].loss is not None and pair[1].loss is not None], "val_loss")
    measured = scores if _is_clear(scores) or not _is_clear(losses) else losses
    verdict = _verdict(measured, pairs, code)
    return measured.model_copy(
        update={"verdict": verdict, "told": f"{_numbers(measured)}{_beside(verdict, pairs, code)}"}
    )


def _ended(ending: Ending) -> bool:
    return ending.failed or ending.score is not None


def _by_deaths(deaths: tuple[int, int], pairs: Sequence[tuple[Ending, Ending]], code: str | None, name: str) -> Proof:
    told = f"{deaths[0]} of {len(pairs)} twins failed without it, {deaths[1]} with it."
    if deaths[1] > deaths[0]:
        return Proof(verdict="worse", told=told, pairs=len(pairs))
    verdict: Verdict = "improved" if deaths[1] or _still_there(pairs, code) else "proven"
    scores = [b.score for _, b in pairs if b.score is not None]
    reached = mean(scores) if scores else None
    told += f" With it {name} reaches {rounded(reached)}." if scores else ""
    return Proof(verdict=verdict, told=told, metric=name, with_fix=reached, pairs=len(pairs))


def _compared(pairs: Sequence[tuple[Ending, Ending]], metric: str) -> Proof:
    """The measured difference; its verdict is still open."""
    values = [(_value(a, metric), _value(b, metric)) for a, b in pairs]
    differences = [b - a for a, b in values]
    if len(differences) < FEWEST_SEEDS:
        return Proof(verdict="no_help", told="", metric=metric)
    return Proof(
        verdict="no_help", told="", metric=metric, without=mean(a for a, _ in values),
        with_fix=mean(b for _, b in values), difference=mean(differences), spread=stdev(differences),
        pairs=len(differences),
    )  # fmt: skip


def _value(ending: Ending, metric: str) -> float:
    value = ending.loss if metric == "val_loss" else ending.score
    return math.nan if value is None else value


def _is_clear(measured: Proof) -> bool:
    """Whether a difference is larger than its spread and large enough to matter."""
    if measured.difference is None or measured.spread is None or measured.without is None:
        return False
    matters = LOSS_MATTERS * abs(measured.without) if measured.metric == "val_loss" else SCORE_MATTERS
    return abs(measured.difference) > max(measured.spread, matters)


def _verdict(measured: Proof, pairs: Sequence[tuple[Ending, Ending]], code: str | None) -> Verdict:
    if not _is_clear(measured) or measured.difference is None:
        return "no_help"
    if (measured.difference > 0) == (measured.metric == "val_loss"):
        return "worse"
    return "improved" if _still_there(pairs, code) or _new_alarms(pairs) else "proven"


def _still_there(pairs: Sequence[tuple[Ending, Ending]], code: str | None) -> bool:
    """Whether the symptom shows with the fix as badly as without it."""
    return code is not None and any(
        code in b.found and (code not in a.found or SEVERITIES.index(b.found[code]) <= SEVERITIES.index(a.found[code]))
        for a, b in pairs
    )


def _new_alarms(pairs: Sequence[tuple[Ending, Ending]]) -> list[str]:
    """Critical findings that come with the fix."""
    return sorted(
        {one for a, b in pairs for one, severity in b.found.items() if severity == "critical" and one not in a.found}
    )


def _numbers(measured: Proof) -> str:
    sign = "+" if (measured.difference or 0) >= 0 else ""
    return (
        f"{measured.metric} {rounded(measured.without, 3)} -> {rounded(measured.with_fix, 3)} "
        f"({sign}{rounded(measured.difference, 2)}, spread {rounded(measured.spread, 2)}, {measured.pairs} seeds)"
    )


def _beside(verdict: Verdict, pairs: Sequence[tuple[Ending, Ending]], code: str | None) -> str:
    """What else there is to say behind the numbers."""
    if verdict == "improved":
        alarms = _new_alarms(pairs)
        return (
            f"; but {', '.join(alarms)} came with it."
            if alarms
            else f"; but {code} is still there: cause not confirmed."
        )
    return {"proven": ".", "worse": ": it harms.", "no_help": ": it did not help."}.get(verdict, ".")
