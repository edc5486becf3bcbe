"""The state of one run as the beginning of another: what `resume_run` asks for when arguments have changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.training import checkpoint
from trainwell.training.checkpoint import Checkpoint
from trainwell.training.stopping import Ending
from trainwell.training.telemetry import EpochTotals
from trainwell.training.validation import Best

if TYPE_CHECKING:
    from trainwell.store.workspace import Workspace


def branch(workspace: Workspace, arguments: dict[str, Any]) -> dict[str, Any]:
    """Write the parent's newest good checkpoint, and the best weights that it refers to, into the child's folder.

    With `most`, it is the newest one not after that step.

    Weights, optimizer, averages and the position in the data stay. Patience and the clock of max_minutes begin anew,
    and an end that early stopping had brought forward is taken back: the child has an end of its own.

    A twin (`seed` is given) goes on from the last whole epoch with a seed of its own, and looks for its best anew.

    Returns:
        `step` and `epoch` that the child goes on from; both 0 when the parent had saved nothing.
    """
    source = workspace.run_dir(arguments["parent"]) / "checkpoints"
    target = workspace.run_dir(arguments["child"]) / "checkpoints"
    newest = checkpoint.newest_good(source, most=arguments.get("most"))
    if newest is None:
        return {"step": 0, "epoch": 0}
    found = checkpoint.read_checkpoint(newest)
    child = {"run": arguments["child"]}
    state: dict[str, Any] = {**found.state, **child, "seconds": 0.0, "ended": None, "ending": asdict(Ending())}
    state["best"] = {**state["best"], "waited": 0}
    checkpoint.clean(target)
    if "seed" in arguments:
        state |= {
            "seed": arguments["seed"], "step": state["step"] - state["within"], "within": 0, "best_step": None,
            "totals": EpochTotals().to_json(), "best": {**asdict(Best()), "loss": None},
        }  # fmt: skip
        checkpoint.write_step(target, state["step"], Checkpoint(found.weights, found.optimizer, state))
        return {"step": state["step"], "epoch": state["epoch"]}
    try:
        weights, about = checkpoint.read_best(source)
    except TrainwellError:  # the child searches for its best anew, and says so in its log
        weights, about = {}, {}
    if weights and about["step"] == state["best_step"]:
        checkpoint.write_best(target, about["step"], weights, {**about, **child})
    checkpoint.write_step(target, state["step"], Checkpoint(found.weights, found.optimizer, state))
    return {"step": state["step"], "epoch": state["epoch"]}
