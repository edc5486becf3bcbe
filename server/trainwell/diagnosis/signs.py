"""What single steps and the network itself show: signals and facts as numbers that rules may compare."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Fix
from trainwell.diagnosis.phrases import failures
from trainwell.diagnosis.rows import possible_fit
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import GOOD_FIT, POOR_FIT, finite, fit, long_enough, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.trace import SignalRecord, Trace

# How far below what neighbours can tell a fit is a poor one.
FAR_BEHIND = 0.12
# Looks that belong to the start of a run.
EARLY_STEPS = 8


def is_poor(trace: Trace) -> bool:
    """Whether a run that has had its time fits badly, also beside what neighbours can tell, or broke."""
    fitted, possible = fit(trace), possible_fit(trace)
    enough = POOR_FIT if possible is None else max(POOR_FIT, possible - FAR_BEHIND)
    return broke(trace) or (fitted is not None and fitted < enough and long_enough(trace))


def is_good(trace: Trace) -> bool:
    """Whether a run fits well: what is odd about it does no harm."""
    fitted = fit(trace)
    return not broke(trace) and fitted is not None and fitted >= GOOD_FIT


def broke(trace: Trace) -> bool:
    """Whether the loss is no number any more, or the last attempt ended by that."""
    values = measured(trace, "train_loss") + measured(trace, "val_loss")
    ended = trace.error is not None and any(text.startswith("non_finite_loss:") for text in failures(trace))
    return ended or any(not math.isfinite(value) for value in values)


def fact(trace: Trace, name: str) -> float | None:
    """A finite number among the facts."""
    return number(trace.facts, name)


def named(trace: Trace, name: str) -> list[str]:
    """Names among the facts: of tensors, say."""
    value = trace.facts.get(name)
    return [str(one) for one in value] if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def late(trace: Trace) -> list[SignalRecord]:
    """The looks behind the start; all of them where there are none behind it."""
    behind = [look for look in trace.signals if look.step >= EARLY_STEPS]
    return behind or list(trace.signals)


def by_name(looks: Sequence[SignalRecord], field: str) -> dict[str, float]:
    """Median over looks of a field that has one number a name; what is not finite is left out."""
    values: dict[str, list[float]] = {}
    for look in looks:
        for name, value in vars(look)[field].items():
            if math.isfinite(value):
                values.setdefault(name, []).append(value)
    return {name: median(found) for name, found in values.items()}


def largest(found: dict[str, float]) -> tuple[str, float] | None:
    """The name with the largest value, and that."""
    return max(found.items(), key=lambda one: one[1], default=None)


def typical_update(trace: Trace) -> float | None:
    """Median ||change|| / ||weights|| of a tensor in a step behind the start; else as the epochs have it."""
    found = [value for value in by_name(late(trace), "update_ratios").values() if value > 0]
    if len(trace.signals) > EARLY_STEPS and found:
        return median(found)
    ratios = finite(trace, "update_ratio")
    return median(ratios) if ratios else None


def steps_of(looks: Sequence[SignalRecord]) -> str | None:
    """The steps that evidence comes from, in words."""
    if not looks:
        return None
    first, last = looks[0].step, looks[-1].step
    return str(first) if first == last else f"{first} to {last} ({len(looks)} looks)"


def epochs_of(trace: Trace) -> str | None:
    """The epochs that evidence comes from, in words."""
    if not trace.epochs:
        return None
    return f"{trace.epochs[0].epoch} to {trace.epochs[-1].epoch}"


def norms(looks: Sequence[SignalRecord]) -> list[float]:
    """The finite gradient norms of looks."""
    return [look.grad_norm for look in looks if look.grad_norm is not None and math.isfinite(look.grad_norm)]


def losses(looks: Sequence[SignalRecord]) -> list[float]:
    """The finite losses of looks."""
    return [look.loss for look in looks if look.loss is not None and math.isfinite(look.loss)]


def rises_with_steps(values: Sequence[float]) -> float:
    """Correlation of values with their order: 1 is a straight rise, 0 without enough of them."""
    count = len(values)
    if count < 4:
        return 0.0
    middle, mean = (count - 1) / 2, sum(values) / count
    together = sum((place - middle) * (value - mean) for place, value in enumerate(values))
    apart = sum((place - middle) ** 2 for place in range(count)) * sum((value - mean) ** 2 for value in values)
    return together / math.sqrt(apart) if apart > 0 and math.isfinite(apart) else 0.0


def by_hand(reason: str, expected: str) -> Fix:
    """A repair that no argument makes: it is in the code of the network or the loop."""
    return Fix(reason=reason, patch={}, expected=expected)


def shown(facts: Any) -> str:
    """Some names, for a sentence."""
    names = list(facts)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(str(name) for name in names[:3]) + more
