"""Optuna as the search uses it: a study in memory, made again from the trials that the store holds.

The store is the only memory, so that a search that is killed at any moment goes on from its last finished trial.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.errors import extra_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

    from trainwell.contract.specs import Range

# How a trial ended, in Optuna's words.
STATES = {"done": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
# Random trials before the sampler goes by what it has seen, and before any is pruned.
STARTUP_TRIALS, UNPRUNED_TRIALS = 10, 5
# Share of the epochs that every trial is given before it may be pruned: the rate rises in the first ones.
UNPRUNED_SHARE = 0.4


def require_optuna() -> None:
    """Refuse a search where the extra is not installed.

    Raises:
        TrainwellError: `extra_missing`.
    """
    if find_spec("optuna") is None:
        raise extra_missing("optuna", "tune", "model")


def make_study(
    space: Mapping[str, Range],
    seed: int,
    epochs: int,
    past: Sequence[Mapping[str, Any]],
    first: Mapping[str, Any] | None,
) -> Study:
    """A study that knows the past trials.

    Args:
        space: What is searched.
        seed: Of the sampler.
        epochs: Of the shortest trial.
        past: Trials as the store keeps them.
        first: Values to try first, if nothing was tried yet.
    """
    import optuna  # noqa: PLC0415 - only a search needs it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(
            seed=(seed + len(past)) % 2**32, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True,
            warn_independent_sampling=False,
        ),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=round(UNPRUNED_SHARE * epochs)
        ),
    )  # fmt: skip
    if first is not None and not past:
        study.enqueue_trial({name: encoded(space[name], value) for name, value in first.items()})
    known = distributions(space)
    for one in past:
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[STATES[one["state"]]],
                params={name: encoded(space[name], value) for name, value in one["values"].items()},
                distributions=known,
                value=one["score"] if one["state"] == "done" else None,
                intermediate_values=dict(enumerate(cast("list[float]", one["scores"]), 1)),
            )
        )
    return study


def tell(study: Study, trial: Trial, state: str, score: float | None) -> None:
    """Tell a study how a trial ended: `done` with a score, `pruned` or `failed`."""
    from optuna.trial import TrialState  # noqa: PLC0415 - only a search needs it

    if state == "done":
        study.tell(trial, score)
    else:
        study.tell(trial, state=TrialState[STATES[state]])


def distributions(space: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """A space in Optuna's terms."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    found: dict[str, BaseDistribution] = {}
    for name, one in space.items():
        if one.choices:
            found[name] = CategoricalDistribution([encoded(one, value) for value in one.choices])
        elif isinstance(one.low, int) and isinstance(one.high, int):
            found[name] = IntDistribution(one.low, one.high, log=one.log)
        else:
            found[name] = FloatDistribution(float(one.low or 0), float(one.high or 0), log=one.log)
    return found


def encoded(one: Range, value: Any) -> Any:
    """A value as Optuna takes it: choices as JSON text, because lists are among them."""
    return json.dumps(value) if one.choices else value


def values_of(trial: Trial, space: Mapping[str, Range]) -> dict[str, Any]:
    """What a trial is to try."""
    return {
        name: json.loads(value) if space[name].choices else value for name, value in trial.params.items()
    }  # fmt: skip
