"""Repairs: changes of arguments that stay within limits and differ from what is, and the calls that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import next_call
from trainwell.contract.findings import Fix
from trainwell.diagnosis.settings import is_mlp, learning_rate, model_options, number, optimizer

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# How far a repair goes by itself. A manifest with narrower limits is passed in as `config["limits"]`;
# a test holds these inside the limits of the root SKILL.md.
REACH: dict[str, tuple[float, float]] = {
    "lr": (1e-6, 1.0),
    "epochs": (1, 1000),
    "batch_size": (1, 65536),
    "accumulate": (1, 1024),
    "weight_decay": (0.0, 0.5),
    "grad_clip": (0.1, 1000.0),
    "early_stopping": (1, 1000),
    "label_smoothing": (0.0, 0.2),
    "warmup": (0.0, 0.5),
    "dropout": (0.0, 0.7),
}
MOST_FIXES = 3
# No first repair goes above these rates: a tenth of an absurd rate is still absurd.
SANE_LR: dict[str | None, float] = {"adamw": 0.01, "adam": 0.01, "sgd": 0.1, None: 0.01}
# A raised rate reaches these at least: ten times nearly nothing is still nearly nothing. Behind a loss that broke at an
# unusual rate, a lowered one stays below them.
USUAL_LR: dict[str | None, float] = {"adamw": 3e-3, "adam": 3e-3, "sgd": 1e-2, None: 1e-3}
# Arguments of a call that belong to that call only.
_ONCE = ("idempotency_key", "wait_seconds")


def train_fix(trace: Trace, changes: dict[str, Any], *, reason: str, expected: str) -> Fix | None:
    """A repair by other arguments to `train`, or None when it would change nothing."""
    patch = {name: _held(trace, name, value) for name, value in changes.items()}
    patch = {name: value for name, value in patch.items() if value != _present(trace, name)}
    if not patch:
        return None
    call = None
    if "model" in trace.handles and "data" in trace.handles:
        given: dict[str, Any] = dict(trace.config.get("arguments") or {})
        kept = {name: value for name, value in given.items() if name not in _ONCE}
        kept |= {"model": trace.handles["model"], "train_loader": trace.handles["data"]}
        call = next_call("train", **(kept | patch))
    return Fix(reason=reason, patch={"train": patch}, expected=expected, next_call=call)


def model_fix(trace: Trace, changes: dict[str, Any], *, reason: str, expected: str) -> Fix | None:
    """A repair by other options of the network, or None when it would change nothing or has no such options."""
    options = model_options(trace)
    patch = {name: _held(trace, name, value) for name, value in changes.items()}
    patch = {name: value for name, value in patch.items() if value != options.get(name)}
    if not patch or not (is_mlp(trace) or patch.keys() <= options.keys()):
        return None
    call = None
    if "data" in trace.handles:
        family = trace.model.get("architecture", "mlp")
        call = next_call("build_model", data=trace.handles["data"], architecture=family, options=options | patch)
    return Fix(reason=reason, patch={"build_model": {"options": patch}}, expected=expected, next_call=call)


def prepare_fix(trace: Trace, changes: dict[str, Any], *, reason: str, expected: str) -> Fix | None:
    """A repair by preparing the data otherwise, then building and training anew; None for what no tool prepared."""
    if trace.model.get("architecture") == "python":
        return None
    asked: dict[str, Any] = dict(trace.data.get("asked") or {})
    both: dict[str, Any] = {**(asked.get("options") or {}), **changes.get("options", {})}
    call = next_call("prepare_data", **asked | changes | ({"options": both} if both else {})) if asked else None
    return Fix(reason=reason, patch={"prepare_data": changes}, expected=expected, next_call=call)


def lower_lr(trace: Trace, *, factor: float = 0.1, usual: bool = False, expected: str, reason: str) -> Fix | None:
    """A repair by a lower peak rate; 1e-3 when the present one is unknown.

    Args:
        trace: Its rate is lowered.
        factor: What the rate is multiplied by.
        usual: Whether it goes down to a usual rate at least; otherwise to a sane one.
        expected: What will be seen.
        reason: Why it helps.
    """
    lr, ceiling = learning_rate(trace), (USUAL_LR if usual else SANE_LR)[optimizer(trace)]
    target = 1e-3 if lr is None else min(lr * factor, ceiling)
    return train_fix(trace, {"lr": target}, reason=reason, expected=expected)


def raise_lr(trace: Trace, *, expected: str, reason: str) -> Fix | None:
    """A repair by ten times the peak rate, or a usual one where that is more; None when it is high enough."""
    lr, ceiling, usual = learning_rate(trace), SANE_LR[optimizer(trace)], USUAL_LR[optimizer(trace)]
    if lr is not None and lr >= ceiling:
        return None
    target = usual if lr is None else min(max(lr * 10, usual), ceiling)
    return train_fix(trace, {"lr": target}, reason=reason, expected=expected)


def fixes(*candidates: Fix | None) -> tuple[Fix, ...]:
    """The repairs that change something, in the order given, each patch once, at most three."""
    kept: list[Fix] = []
    for fix in candidates:
        if fix is not None and all(fix.patch != other.patch for other in kept):
            kept.append(fix)
    return tuple(kept[:MOST_FIXES])


def _held(trace: Trace, name: str, value: Any) -> Any:
    """A number within its limits and to three digits; whole numbers stay whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    low, high = _limits(trace, name)
    held = min(max(value, low), high)
    return int(held) if isinstance(value, int) else float(f"{held:.3g}")


def _limits(trace: Trace, name: str) -> tuple[float, float]:
    low, high = REACH.get(name, (float("-inf"), float("inf")))
    limits: dict[str, tuple[float | None, float | None]] = trace.config.get("limits") or {}
    lowest, highest = limits.get(name, (None, None))
    return (low if lowest is None else max(low, lowest)), (high if highest is None else min(high, highest))


def _present(trace: Trace, name: str) -> Any:
    """The value that the run has now: what the last retry set, else what was resolved."""
    if name == "lr":
        lr = learning_rate(trace)
        return None if lr is None else float(f"{lr:.3g}")
    for attempt in reversed(trace.attempts):
        if name in attempt.changes:
            return attempt.changes[name]
    value = number(trace.config, name)
    return trace.config.get(name) if value is None else value
