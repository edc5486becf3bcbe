"""Predictions through the tool: rows as people give them, files of any size, and nothing left of what failed."""

import json
from functools import partial

import anyio
import numpy as np
import polars as pl
import pytest

from tests.waiting import ended
from trainwell.data.table import chunks
from trainwell.runs import jobs
from trainwell.store.jobs import Job
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services


def people(rows):
    random = np.random.default_rng(0)
    age, town = random.integers(18, 90, rows), random.integers(0, 3, rows)
    return pl.DataFrame({
        "age": age, "town": pl.Series(town).replace_strict({0: "Bern", 1: "Genf, am See", 2: 'die "Stadt"'}),
        "member": pl.Series(np.where(age + 20 * town > 70, "stays", "leaves")),
    })  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """One workspace for this file: what is trained here is never changed."""
    opened = open_services(tmp_path_factory.mktemp("predict"))
    yield opened
    opened.store.database.close()


@pytest.fixture(scope="module")
def run(services):
    people(240).write_csv(services.workspace.root / "people.csv")
    return trained(services, source="people.csv", target="member")


def trained(services, **what):
    def call(tool, **arguments):
        return anyio.run(call_tool, services, tool, arguments).structured

    data = call("prepare_data", **what)["data"]
    model = call("build_model", data=data, options={"hidden_dims": [8]})["model"]
    run = call("train", model=model, train_loader=data, epochs=2, wait_seconds=25)["run"]
    assert ended(services, run)["state"] == "completed"
    return run


@pytest.fixture
def files(services):
    """The same rows in each format that comes in parts."""
    frame = people(3000).drop("member")
    root = services.workspace.root
    frame.write_csv(root / "new.csv")
    frame.write_parquet(root / "new.parquet", row_group_size=500)
    frame.write_ndjson(root / "new.jsonl")
    (root / "out.csv").unlink(missing_ok=True)
    return root


def read(path):
    return {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[path.suffix](path)


def test_a_file_of_any_format_becomes_one_of_any_format(call, run, files):
    inline = call("predict", run=run, rows=people(3000).drop("member").head(1000).to_dicts())
    written = []
    for source, output in (("new.csv", "a.parquet"), ("new.parquet", "b.jsonl"), ("new.jsonl", "c.csv")):
        told = call("predict", run=run, source=source, output=output)
        assert told["count"] == 3000
        assert told["predictions"] == inline["predictions"]
        written.append(read(files / output))
    for frame in written:
        assert frame.columns == ["prediction", "probability_leaves", "probability_stays"]
        assert frame["prediction"].to_list() == written[0]["prediction"].to_list()
        assert np.allclose(frame["probability_stays"], written[0]["probability_stays"], atol=1e-6)
    assert not list(files.glob(".tmp-*"))
    assert not list((files / ".trainwell/jobs").iterdir())


@pytest.mark.parametrize("name", ["new.csv", "new.parquet", "new.jsonl"])
def test_parts_of_a_file_are_the_whole_file(files, monkeypatch, name):
    whole = pl.concat([chunk.table.frame for chunk in chunks.chunks(files / name)])
    monkeypatch.setattr(chunks, "PART_BYTES", 1000)
    parts = list(chunks.chunks(files / name))

    assert len(parts) > 2
    assert pl.concat([chunk.table.frame for chunk in parts], how="vertical_relaxed").equals(whole)
    assert parts[-1].share == 1.0
    assert [part.share for part in parts] == sorted(part.share for part in parts)
    if name != "new.parquet":
        first = parts[0].table.frame.height
        assert parts[1].table.locate(0) == f"line {first + 1 + (name == 'new.csv')}"


def test_blank_lines_and_line_ends_inside_quotes_are_no_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "PART_BYTES", 16)
    path = tmp_path / "odd.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\n1,"x\ny"\n\n2,z\n\n\n3,"last, ""one"""')
    frames = [chunk.table.frame for chunk in chunks.chunks(path)]

    assert pl.concat(frames).rows() == [("1", "x\ny"), ("2", "z"), ("3", 'last, "one"')]


def test_a_bad_cell_is_named_by_its_line_and_may_count_as_missing(call, refuse, run, files):
    lines = (files / "new.csv").read_text().splitlines()
    lines[2500] = "old,Bern"
    (files / "bad.csv").write_text("\n".join(lines))
    error = refuse("predict", run=run, source="bad.csv", output="out.csv")

    assert (error["code"], error["argument"]) == ("bad_value", "source")
    assert "Line 2501" in error["message"]
    assert "on_bad_row: missing" in error["hint"]
    assert not (files / "out.csv").exists()
    assert not list(files.glob(".tmp-*"))
    told = call("predict", run=run, source="bad.csv", output="out.csv", on_bad_row="missing")
    assert told["count"] == 3000
    assert any("1 cell cannot be read" in note for note in told["notes"])


def test_what_parts_say_is_said_once_with_the_sum(run, services, files, monkeypatch):
    from trainwell import data
    from trainwell.data.wording import summed

    lines = (files / "new.csv").read_text().splitlines()
    (files / "new.csv").write_text("\n".join(line if place % 10 else "40,Rom" for place, line in enumerate(lines, 1)))
    monkeypatch.setattr(chunks, "PART_BYTES", 5000)
    prepared = services.store.runs.spec(run).data
    source = data.open_source(services.workspace, "new.csv", None)
    parts = [part for part, _ in data.encode_in_parts(prepared, source=source)]

    assert len(parts) > 3
    assert sum(part.count for part in parts) == 3000
    assert summed(note for part in parts for note in part.notes) == [
        'Column "town": 300 cells of unseen categories, such as "Rom".'
    ]


def test_work_that_is_called_off_leaves_nothing_behind(services, run, files):
    """Cancelled as a client does it: the worker sees it at its next part."""

    async def giving_up():
        with anyio.move_on_after(30) as scope:

            async def hear(done, total, message):
                scope.cancel()

            arguments = {"run": run, "source": "many.csv", "output": "out.csv"}
            await call_tool(services, "predict", arguments, hear)
        folder = services.workspace.state / "jobs"
        with anyio.fail_after(60):
            while any(folder.iterdir()) or list(files.glob(".tmp-*")):
                await anyio.sleep(0.05)
        return scope.cancelled_caught

    whole = (files / "new.csv").read_text().split("\n", 1)
    (files / "many.csv").write_text(whole[0] + "\n" + whole[1] * 1000)
    assert anyio.run(giving_up)
    assert not (files / "out.csv").exists()


def test_the_same_call_again_gets_what_the_first_one_began(services, run, files, monkeypatch):
    monkeypatch.setattr("trainwell.tools.services.PATIENCE_SECONDS", 0.0)
    ask = partial(call_tool, services, "predict", {"run": run, "source": "new.csv", "output": "out.csv"})
    first = anyio.run(ask)
    assert first.structured["error"]["code"] == "work_takes_long"

    monkeypatch.setattr("trainwell.tools.services.PATIENCE_SECONDS", 60.0)
    again = anyio.run(ask)
    assert again.structured["count"] == 3000
    assert len(read(files / "out.csv")) == 3000
    assert not list((services.workspace.state / "jobs").iterdir())


def test_a_job_whose_process_is_gone_is_told_and_forgotten(services):
    job = Job(services.workspace, "lost")
    job.begin()
    file = services.workspace.state / "jobs/lost/progress.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "born": 1.0}))

    assert not jobs.is_known(services.workspace, "lost")


def test_rows_of_one_feature_are_plain_values(services, call, refuse, run):
    rows = [{"age": age, "member": "yes" if age > 50 else "no"} for age in range(18, 90)] * 2
    one = trained(services, rows=rows, target="member")
    assert call("predict", run=one, rows=[20, 80])["count"] == 2
    assert refuse("predict", run=run, rows=[20, 80])["code"] == "bad_row"
