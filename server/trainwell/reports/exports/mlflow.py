"""A local MLflow store: `mlflow ui --backend-store-uri FOLDER`. Nothing is sent anywhere."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwell.reports.exports import ExportedRun

SUFFIX = ""
NEEDS = "mlflow"
AT_ONCE = 1000  # MLflow's own limit on metrics a call
LONGEST_VALUE = 500


def write(run: ExportedRun, path: Path) -> None:
    """Write a folder with one experiment, `trainwell`, and this run in it."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # since 3.x a folder has to be allowed; a database would need more
    from mlflow import MlflowClient  # noqa: PLC0415  (an extra)
    from mlflow.entities import Metric, Param  # noqa: PLC0415

    client = MlflowClient(path.as_uri())
    experiment = client.create_experiment("trainwell", artifact_location=f"{Path(run.place).as_uri()}/artifacts")
    began = int(1000 * run.ends[0]) if run.ends else None
    made = client.create_run(
        experiment, start_time=began, run_name=run.name, tags={"trainwell.run": run.handle}
    ).info.run_id
    settings = [Param(name, json.dumps(value)[:LONGEST_VALUE]) for name, value in run.settings().items()]
    client.log_batch(made, params=settings)
    scalars = (Metric(name, value, int(1000 * end), epoch) for name, epoch, end, value in run.scalars())
    while some := list(islice(scalars, AT_ONCE)):
        client.log_batch(made, metrics=some)
    ended = int(1000 * run.ends[-1]) if run.ends else None
    client.set_terminated(made, "FAILED" if run.answer["state"] == "failed" else "FINISHED", ended)
