"""An offline run of Weights & Biases: `wandb sync FOLDER/wandb/offline-run-*` sends it, when a person wants that."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.reports.exports import ExportedRun

SUFFIX = ""
NEEDS = "wandb"


def write(run: ExportedRun, path: Path) -> None:
    """Write a folder; nothing is sent and no account is asked for."""
    import wandb  # noqa: PLC0415  (an extra)

    path.mkdir(parents=True)
    settings = wandb.Settings(mode="offline", silent=True, x_disable_meta=True, x_disable_stats=True, console="off",
                              save_code=False, disable_git=True)  # fmt: skip
    with wandb.init(
        project="trainwell", name=run.name, id=run.handle, dir=path, config=run.settings(), settings=settings
    ) as log:
        for epoch, values in groupby(run.scalars(), key=lambda scalar: scalar[1]):
            log.log({name: value for name, _, _, value in values}, step=epoch)
        log.summary.update({f"best_{name}": value for name, value in (run.answer["best"] or {}).items()})
    for link in path.rglob("*"):  # to the newest run and its logs, by names that will not hold
        if link.is_symlink():
            link.unlink()
