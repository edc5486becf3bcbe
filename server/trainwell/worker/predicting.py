"""Predictions of raw rows: a few for an answer, all of them for a file, part by part and in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import finite
from trainwell.data.wording import Tally, summed
from trainwell.evaluation.predict import predict
from trainwell.store.atomic import place, sweep_of
from trainwell.store.jobs import Job
from trainwell.worker.output import PredictionFile, check_format, preview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainwell.data import EncodedRows
    from trainwell.evaluation.tasks import Predicted
    from trainwell.store.workspace import Workspace
    from trainwell.worker.weights import Trained

Json = dict[str, Any]

# Without a file to write to, nobody sees more than a few rows.
MOST_UNWRITTEN = 10_000


class _CalledOff(Exception):  # noqa: N818 - no error: nobody waits any more
    """Within the writing: whoever asked has called it off."""


@dataclass
class _Answer:
    """What is told of the rows so far."""

    count: int = 0
    shown: Json = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])

    def add(self, found: Predicted, encoded: EncodedRows) -> None:
        if not self.count:
            self.shown = preview(found, encoded.about)
        self.count += encoded.count
        broken = Tally(found.not_finite, "row", after=" without a prediction: the network gives NaN or infinity")
        self.notes = summed([*self.notes, *encoded.notes, *found.notes, *([broken] if found.not_finite else [])])

    def to_json(self) -> Json:
        return {"count": self.count, "notes": self.notes, **self.shown}


def predict_rows(workspace: Workspace, trained: Trained, arguments: Json) -> Json:
    """Predict as the arguments say; see the tool.

    Raises:
        TrainwellError: what reading and encoding the rows raises; `unknown_format`. No file is left then, nor
            when the job is called off.
    """
    if arguments.get("output"):
        return _to_file(workspace, trained, arguments, Path(arguments["output"]))
    answer = _Answer()
    for encoded, share in _parts(workspace, trained, arguments):
        answer.add(predict(trained.module, trained.data, encoded.inputs), encoded)
        if share < 1 and answer.count >= MOST_UNWRITTEN:
            answer.notes.append(f"Only the first {answer.count:,} rows were predicted: name an output file for all.")
            break
    return answer.to_json()


def _parts(workspace: Workspace, trained: Trained, arguments: Json) -> Iterator[tuple[EncodedRows, float]]:
    source = data.open_source(workspace, arguments.get("source"), arguments.get("rows"))
    strict = arguments.get("on_bad_row", "error") == "error"
    return data.encode_in_parts(trained.data, rows=arguments.get("rows"), source=source, strict=strict)


def _to_file(workspace: Workspace, trained: Trained, arguments: Json, path: Path) -> Json:
    """Write all predictions in the order of the input; whole or not at all. The job is told how far it is."""
    check_format(path)
    job = Job(workspace, str(arguments["job"]))
    job.begin()
    sweep_of(path)
    answer = _Answer()

    def write(temporary: Path) -> None:
        with PredictionFile(temporary, path.suffix) as file:
            for encoded, share in _parts(workspace, trained, arguments):
                found = predict(trained.module, trained.data, encoded.inputs)
                file.add(found, encoded.about)
                answer.add(found, encoded)
                job.tell(share, f"{answer.count:,} rows")
                if not job.wanted():
                    raise _CalledOff

    try:
        place(path, write)
    except _CalledOff:
        job.forget()  # nobody waits for an answer
        return {}
    except TrainwellError as error:
        job.finish({"error": error.to_json()})
        raise
    result = finite({**answer.to_json(), "output": workspace.shown(path)})
    job.finish({"result": result})
    return result
