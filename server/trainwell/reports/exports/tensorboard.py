"""Event files for TensorBoard: `tensorboard --logdir FOLDER`. A scalar a metric and epoch, and the settings as text."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.reports.exports import ExportedRun

SUFFIX = ""
NEEDS = "tensorboard"


def write(run: ExportedRun, path: Path) -> None:
    """Write a folder with one event file."""
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415  (an extra)
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # noqa: PLC0415
    from tensorboard.compat.proto.tensor_pb2 import TensorProto  # noqa: PLC0415
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415

    writer = EventFileWriter(str(path))
    for name, epoch, end, value in run.scalars():
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        writer.add_event(Event(wall_time=end, step=epoch, summary=summary))
    text = TensorProto(dtype="DT_STRING", string_val=[json.dumps(run.settings(), indent=1).encode()])
    text.tensor_shape.dim.add(size=1)
    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    settings = Summary(value=[Summary.Value(tag="settings", metadata=about, tensor=text)])
    writer.add_event(Event(wall_time=run.ends[0] if run.ends else 0.0, step=0, summary=settings))
    writer.close()
