"""A run that searches before it trains: trials within its budget, then the best of them as the run's own settings.

A trial is a training like any other that leaves nothing behind but its scores. Small perceptrons of one shape are
trained together, sixteen in the time of six. What is known of all trials stands in the run's plan, so that whoever
takes the run up goes on from there.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell import data
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TUNABLE, ModelSpec, RunSpec, Search
from trainwell.store.atomic import remove
from trainwell.store.handles import content_handle
from trainwell.training import together
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.fit import FitJob, FitOutcome, fit
from trainwell.training.plan import plan
from trainwell.worker import spaces, studies, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study, Trial

    from trainwell.contract.trace import EpochRecord
    from trainwell.data import SplitArrays
    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace
    from trainwell.training.pulse import Pulse
    from trainwell.worker.recorder import Recorder

# Networks that are trained together, and the size (parameters) above which it does not pay.
TOGETHER, SMALL = 16, 200_000
PRUNED, OUT_OF_TIME = "pruned", "time_limit"


@dataclass(frozen=True)
class _Ended:
    """How a trial ended.

    Attributes:
        state: done, pruned or failed.
        score: The validation score of its best epoch, None where there is none.
        loss: The validation loss there; among equal scores the lower one is better.
        scores: By epoch, for pruning those to come; of trials that were trained together none.
    """

    state: str
    score: float | None = None
    loss: float | None = None
    scores: tuple[float, ...] = ()


@dataclass
class _Search:
    """A search at work.

    Attributes:
        told: `tuning` of the run's plan: `trials`, each with its `values`, how it ended and its `seconds`; the
            `seconds` of all; whether it is `over`.
        longest: Seconds of the longest trial, and so about what the training of the best will take.
    """

    workspace: Workspace
    store: Store
    spec: RunSpec
    wanted: Search
    recorder: Recorder
    pulse: Pulse
    train: SplitArrays
    validation: SplitArrays
    told: dict[str, Any]
    began: float = field(default_factory=time.monotonic)
    longest: float = 0.0

    @property
    def seconds_left(self) -> float:
        """Of the budget; the training of the best is part of it."""
        return self.wanted.seconds - self.told["seconds"] - (time.monotonic() - self.began)

    def is_over(self) -> bool:
        """Whether there is no time left for another trial and the training of the best, or there were enough."""
        trials = self.told["trials"]
        enough = len(trials) >= self.wanted.trials
        return bool(trials) and (enough or self.seconds_left < 2 * self.longest)

    def ended(self) -> str | None:
        """Why trials must end now: what the recorder heard, or the budget, once something is known."""
        self.pulse.beat()
        heard = self.recorder.should_stop()
        known = any(one["state"] == "done" for one in self.told["trials"])
        return heard or (OUT_OF_TIME if known and self.seconds_left < self.longest else None)

    def keep(self, trial: Trial, study: Study, ended: _Ended, seconds: float) -> None:
        """Tell the study how a trial ended, and enter it into the store."""
        studies.tell(study, trial, ended.state, ended.score)
        values = studies.values_of(trial, self.wanted.space)
        now = time.monotonic()
        self.told["trials"].append({"values": values, **asdict(ended), "seconds": round(seconds, 2)})
        self.told["seconds"], self.began = self.told["seconds"] + now - self.began, now
        write(self.store, self.spec.run, self.recorder.attempt, tuning=self.told)
        logger.info("trial {}: {} {} with {}", len(self.told["trials"]), ended.state, ended.score, values)


def search(workspace: Workspace, spec: RunSpec, recorder: Recorder, pulse: Pulse) -> str | None:
    """Search, and make the best values found the run's own; nothing to do where that is done.

    Returns: Why it ended before it was over, or None: the run can train.

    Raises:
        TrainwellError: `no_trial_succeeded`.
    """
    store, wanted = recorder.store, spec.search
    told: dict[str, Any] = store.runs.get(spec.run)["plan"]["tuning"]
    if wanted is None or told["over"]:
        return None
    train, validation = (data.load_split(workspace, spec.data, split) for split in ("train", "validation"))
    one = _Search(workspace, store, spec, wanted, recorder, pulse, train, validation, told)
    one.longest = max((trial["seconds"] for trial in told["trials"]), default=0.0)
    first = spaces.usual_values(spec, wanted.space)
    epochs = min(wanted.space["epochs"].ends) if "epochs" in wanted.space else spec.config.epochs
    study = studies.make_study(wanted.space, spec.config.seed, epochs, told["trials"], first)
    while not one.is_over():
        reason = _some_trials(one, study)
        if reason == OUT_OF_TIME:
            break
        if reason is not None:
            return reason
    _settle(one)
    return None


def best_trial(trials: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The trial with the highest score, and the lowest loss with it, among those that were not cut short."""
    done = [one for one in trials if one["state"] == "done"]
    return max(done, key=lambda one: (one["score"], -one["loss"]), default=None)


def write(store: Store, run: str, attempt: int, **entries: Any) -> None:
    """Set entries of a run's plan, as long as this attempt is the one that counts."""
    with store.database.transaction():
        known = store.runs.get(run)["plan"]
        store.runs.update(run, at_attempt=attempt, plan={**known, **entries})


def _some_trials(one: _Search, study: Study) -> str | None:
    """One trial, or as many as can be trained together. Returns: why it ended early, or None."""
    known = studies.distributions(one.wanted.space)
    first = study.ask(known)
    spec = spaces.applied(one.spec, studies.values_of(first, one.wanted.space))
    module = weights.fresh(spec)
    if not _small(module) or not together.fits(module, spec.config):
        return _alone(one, study, first, spec)
    room = one.wanted.trials - len(one.told["trials"]) - 1
    trials = [first, *(study.ask(known) for _ in range(min(TOGETHER - 1, room)))]
    groups: dict[str, list[tuple[Trial, RunSpec]]] = {}
    for trial in trials:
        spec = spaces.applied(one.spec, studies.values_of(trial, one.wanted.space))
        groups.setdefault(_shape(spec), []).append((trial, spec))
    for group in groups.values():
        reason = _side_by_side(one, study, group)
        if reason is not None:
            return reason
    return None


def _small(module: Any) -> bool:
    return sum(parameter.numel() for parameter in module.parameters()) <= SMALL


def _shape(spec: RunSpec) -> str:
    """What networks must have in common to be trained together: all but rate, decay and dropout."""
    options = {name: value for name, value in spec.model.options.items() if name != "dropout"}
    config = spec.config.model_dump(mode="json", exclude={"lr", "weight_decay"})
    dropped = bool(spec.model.options.get("dropout"))
    return json.dumps([options, config, dropped], sort_keys=True)


def _side_by_side(one: _Search, study: Study, group: Sequence[tuple[Trial, RunSpec]]) -> str | None:
    """Train a group together. Returns: why it ended early, or None."""
    start, reasons = time.monotonic(), list[str]()
    members = [
        together.Member(weights.fresh(spec), spec.config.lr, spec.config.weight_decay)  # pyright: ignore[reportArgumentType]
        for _, spec in group
    ]

    def should_stop() -> bool:
        reason = one.ended()
        reasons.extend([reason] if reason else [])
        return reason is not None

    found = together.train_together(group[0][1], members, one.train, one.validation, should_stop)
    if reasons and reasons[0] != OUT_OF_TIME:
        return reasons[0]
    seconds = time.monotonic() - start
    # What the best of them will take alone is less than what all took together.
    one.longest = max(one.longest, seconds)
    for (trial, _), best in zip(group, found, strict=True):
        state = "failed" if best.score is None else PRUNED if reasons else "done"
        loss = None if best.score is None else best.loss
        one.keep(trial, study, _Ended(state, best.score, loss), seconds / len(group))
    return reasons[0] if reasons else None


def _alone(one: _Search, study: Study, trial: Trial, spec: RunSpec) -> str | None:
    """Train one trial as a run is trained, and prune it where it lags. Returns: why it ended early, or None."""
    start, scores, cut = time.monotonic(), list[float](), list[str]()
    folder = one.workspace.run_dir(spec.run) / "trial"

    def on_epoch(record: EpochRecord) -> None:
        scores.append(float(vars(record)[spec.score_name]))
        trial.report(scores[-1], record.epoch)
        if trial.should_prune():
            cut.append(PRUNED)

    def should_stop() -> str | None:
        return one.ended() or (cut[0] if cut else None)

    try:
        remove(folder)
        outcome = fit(
            FitJob(
                spec=spec, module=weights.fresh(spec), train=one.train, validation=one.validation, folder=folder,
                on_epoch=on_epoch, should_stop=should_stop, pulse=one.pulse, watch=False,
            )
        )  # fmt: skip
        reason, ended = outcome.reason, _ended(outcome, scores)
    except (NonFiniteLoss, TrainwellError) as error:
        logger.warning("a trial failed: {}", error)
        reason, ended = PRUNED, _Ended("failed")
    finally:
        remove(folder)
    if reason not in {"completed", "early_stopping", PRUNED, OUT_OF_TIME}:
        return reason
    seconds = time.monotonic() - start
    one.longest = max(one.longest, seconds if ended.state == "done" else 0.0)
    one.keep(trial, study, ended, seconds)
    return reason if reason == OUT_OF_TIME else None


def _ended(outcome: FitOutcome, scores: Sequence[float]) -> _Ended:
    state = PRUNED if outcome.reason in {PRUNED, OUT_OF_TIME} else "done"
    if not scores or outcome.best_score is None:
        return _Ended("failed")
    return _Ended(state, outcome.best_score, outcome.best_metrics["val_loss"], tuple(scores))


def _settle(one: _Search) -> None:
    """Make the best values the run's own: its spec, its arguments, its plan."""
    best = best_trial(one.told["trials"])
    if best is None:
        raise TrainwellError(
            "no_trial_succeeded", f"No trial of {len(one.told['trials'])} came to a finite score.", argument="space",
            hint="Search lower rates, or train once and look at what diagnose says.",
        )  # fmt: skip
    run, store = one.spec.run, one.store
    spec = spaces.applied(one.spec, best["values"])
    model = _entered(store, spec) if spec.model.options != one.spec.model.options else spec.model
    spec = spec.model_copy(update={"model": model})
    planned = plan(spec, weights.fresh(spec), one.train)
    chosen = {name: value for name, value in best["values"].items() if name in TUNABLE}
    count = len(one.told["trials"])
    words = [f"{name} {value}: the best of {count} trials" for name, value in best["values"].items()]
    with store.database.transaction():
        row = store.runs.get(run)
        told = {**one.told, "over": True}
        store.runs.update(
            run, at_attempt=one.recorder.attempt, spec=spec.model_dump_json(), model=model.handle,
            arguments={**row["arguments"], "model": model.handle, **chosen},
            plan={**row["plan"], **planned, "decisions": [*words, *planned["decisions"]], "tuning": told},
        )  # fmt: skip


def _entered(store: Store, spec: RunSpec) -> ModelSpec:
    """The model of the best trial, entered as `build_model` would have done."""
    model = spec.model
    shapes = model.shapes.model_copy(update={"rows": spec.data.splits["train"]})
    report = check_model(model.architecture, model.options, shapes, spec.data.task, max_parameters=2**62)
    options = report.pop("options")
    content = json.dumps(
        [model.architecture, options, model.shapes.model_dump(mode="json"), model.data, model.name], sort_keys=True
    )
    handle = content_handle("model", model.name, content)
    made = model.model_copy(update={"handle": handle, "options": options, "report": report})
    store.artifacts.put_model(made)
    return made
