"""What a run was made of, flat and by name, and how two runs differ."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwell.contract.specs import RunSpec
    from trainwell.store.store import Store

Settings = dict[str, Any]
#: [before, now] by name.
Changes = dict[str, list[Any]]

#: What says nothing about how a network learns, or, as the seed, only draws the lot.
ASIDE = frozenset({"seed", "deterministic", "max_minutes", "on_finding"})
MODEL, DATA, CHECKPOINT = "model", "data", "checkpoint"


def settings_of(spec: RunSpec, plan: Mapping[str, Any], adjusted: Mapping[str, Any] | None = None) -> Settings:
    """Every setting of a run as it was resolved; options of the network are called `model.<option>`.

    Args:
        spec: What it does.
        plan: What was planned for it; knows the batch size and the precision that were chosen.
        adjusted: What retries have changed.
    """
    config = spec.config.model_dump(mode="json")
    config |= {name: plan[name] for name in ("batch_size", "precision") if name in plan}
    config |= {name: value for name, value in (adjusted or {}).items() if name in config}
    return {
        DATA: spec.data.handle,
        MODEL: spec.model.architecture,
        **{f"{MODEL}.{name}": value for name, value in spec.model.model_dump(mode="json")["options"].items()},
        **config,
        CHECKPOINT: None if spec.start_from is None else PurePath(spec.start_from).name,
    }


def settings(store: Store, run: str) -> Settings:
    """The settings of a run that exists, as its last attempt had them."""
    attempts = store.history.attempts(run)
    return settings_of(store.runs.spec(run), store.runs.get(run)["plan"], attempts[-1].changes if attempts else None)


def differences(before: Settings, now: Settings) -> Changes:
    """All that differs; of two families of networks the options are not compared, for they mean different things."""
    related = before[MODEL] == now[MODEL]
    return {
        name: [before.get(name), now.get(name)]
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name) and (related or not name.startswith(f"{MODEL}."))
    }


def changes(before: Settings, now: Settings, given: set[str]) -> Changes:
    """What somebody changed on purpose, without what only followed from it (a recipe's rate for another network).

    Args:
        before: The settings of one run.
        now: Those of the other.
        given: Names of the arguments of `train` that were given for either.
    """
    return {
        name: pair
        for name, pair in differences(before, now).items()
        if name not in ASIDE and (name in given or name.split(".", maxsplit=1)[0] in {MODEL, DATA})
    }


def told(changed: Changes) -> str:
    """Changes in words: `lr 0.002 -> 0.01, dropout 0.1 -> 0.3`."""
    return ", ".join(f"{name} {shown(before)} -> {shown(now)}" for name, (before, now) in changed.items())


def shown(value: Any) -> str:
    """A setting in a sentence."""
    if value is None:
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


LONGEST_SHOWN = 40
