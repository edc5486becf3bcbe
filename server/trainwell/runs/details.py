"""All that is known of a run, for those who ask for the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace

MOST_POINTS = 64
HISTORY = ("epoch", "train_loss", "val_loss", "val_accuracy", "val_f1", "val_r2", "val_rmse", "lr", "grad_norm")


def details(workspace: Workspace, store: Store, run: str) -> dict[str, Any]:
    """Arguments, plan, times, all findings, and a history of at most 64 epochs; ready for JSON."""
    row = store.runs.get(run)
    fields = dict.fromkeys((*HISTORY, store.runs.spec(run).score_name))
    epochs = store.history.epochs(run)
    stride = max(1, -(-len(epochs) // MOST_POINTS))
    shown = [*epochs[::stride], *([epochs[-1]] if epochs and (len(epochs) - 1) % stride else [])]
    return {
        "arguments": row["arguments"],
        "plan": row["plan"],
        "tags": row["tags"],
        "model": row["model"],
        "data": row["data"],
        "log": workspace.shown(workspace.run_dir(run) / "log.txt"),
        "timing": {name: row[name] for name in ("created_at", "started_at", "first_step_at", "ended_at")},
        "train_seconds": sum(one.train_seconds or 0.0 for one in epochs),
        "findings": [one.model_dump() for one in store.history.findings(run)],
        "history": {name: [vars(one)[name] for one in shown] for name in fields
                    if any(vars(one)[name] is not None for one in shown)},
    }  # fmt: skip
