import json
import math
import multiprocessing
from dataclasses import asdict
from pathlib import Path

import apsw
import pytest

from tests.factories import add_run, model_spec, prepared_data, run_spec
from trainwell.contract.errors import TrainwellError
from trainwell.contract.findings import Finding
from trainwell.contract.trace import AttemptRecord, EpochRecord, SignalRecord
from trainwell.store import migrations
from trainwell.store.migrations import backup_path
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace


@pytest.fixture
def store(tmp_path):
    return Store.open(Workspace.open(tmp_path))


def test_what_goes_in_comes_out_and_nan_is_a_value_like_any_other(store):
    spec = add_run(store, tags=("a",))
    assert store.runs.spec(spec.run) == spec
    record = EpochRecord(epoch=1, step=4, train_loss=math.nan, val_loss=math.inf, lr=0.1)
    store.history.put_epochs(spec.run, [record])
    found = store.history.last_epoch(spec.run)
    assert found is not None
    assert math.isnan(found.train_loss)
    assert {**asdict(found), "train_loss": 0} == {**asdict(record), "train_loss": 0}
    signals = [SignalRecord(step, 1, loss=2.0, grad_norms={"0.weight": 0.5}, dead={"1": 0.25}) for step in (0, 3, 9)]
    store.history.put_signals(spec.run, reversed(signals))
    assert store.history.signals(spec.run) == signals
    store.history.forget_signals_from(spec.run, 3)
    assert store.history.signals(spec.run) == signals[:1]
    store.history.put_facts(spec.run, {"loss0": math.inf, "frozen": []})
    store.history.put_facts(spec.run, {"frozen": ["0.weight"]})
    assert store.history.facts(spec.run) == {"loss0": math.inf, "frozen": ["0.weight"]}
    attempt = AttemptRecord(1, 5.0, changes={"lr": 0.1})
    store.history.put_attempt(spec.run, attempt)
    assert store.history.attempts(spec.run) == [attempt]
    finding = Finding(code="plateau", severity="warning", symptom="s", cause="c", confidence=0.5, evidence={"a": 1})
    store.history.set_findings(spec.run, [finding, finding])
    store.history.set_findings(spec.run, [finding])
    assert store.history.findings(spec.run) == [finding]
    store.artifacts.put_data(prepared_data())
    store.artifacts.put_model(model_spec())
    assert store.artifacts.data("data_toy_000001") == prepared_data()
    assert store.artifacts.model("model_mlp_000001") == model_spec()


def test_an_epoch_that_is_repeated_after_a_retry_replaces_the_one_before(store):
    spec = add_run(store)
    store.history.put_epochs(spec.run, [EpochRecord(epoch=1, step=4, lr=1.0), EpochRecord(epoch=2, step=8, lr=1.0)])
    store.history.put_epochs(spec.run, [EpochRecord(epoch=2, step=8, lr=0.1)])
    assert [record.lr for record in store.history.epochs(spec.run)] == [1.0, 0.1]


def test_a_handle_is_found_by_prefix_tail_and_latest_and_a_wrong_one_is_answered_with_the_nearest(store):
    add_run(store, "run_digits-mlp_aa11bb")
    add_run(store, "run_digits-mlp_aa22cc")
    assert store.find("run", "run_digits-mlp_aa1", "run") == "run_digits-mlp_aa11bb"
    assert store.find("run", "aa22cc", "run") == "run_digits-mlp_aa22cc"
    assert store.find("run", "latest", "run") == "run_digits-mlp_aa22cc"
    add_run(store, "run_night_bb33dd")
    assert store.find("run", "night", "after") == "run_night_bb33dd"
    with pytest.raises(TrainwellError) as ambiguous:
        store.find("run", "run_digits", "run")
    assert ambiguous.value.code == "ambiguous_handle"
    assert len(ambiguous.value.allowed) == 2
    with pytest.raises(TrainwellError) as unknown:
        store.find("run", "run_digit-mlp_aa11bc", "run")
    assert unknown.value.code == "unknown_handle"
    assert unknown.value.message == "There is no run of this handle."
    assert "run_digits-mlp_aa11bb" in unknown.value.hint
    for text in ("", "r", "'; DROP TABLE runs; --", "%", "latest"):
        with pytest.raises(TrainwellError) as nothing:
            store.find("ckpt", text, "checkpoint")
        assert nothing.value.code == "unknown_handle"
        assert nothing.value.next_call["tool"] == "save_checkpoint"


def test_a_page_is_filtered_sorted_and_limited(store):
    for number, score in enumerate([0.5, 0.9, None]):
        add_run(store, f"run_n_00000{number}", tags=(f"t{number}",))
        store.runs.update(f"run_n_00000{number}", best_score=score)
    newest = store.runs.page({}, by_score=False, limit=2, offset=0)
    assert [row["handle"] for row in newest] == ["run_n_000002", "run_n_000001"]
    best = store.runs.page({"state": "queued"}, by_score=True, limit=9, offset=0)
    assert [row["best_score"] for row in best] == [0.9, 0.5, None]
    assert [row["handle"] for row in store.runs.page({"tag": "t1"}, by_score=False, limit=9, offset=0)] == [
        "run_n_000001"
    ]


def test_one_idempotency_key_is_one_run(store):
    add_run(store, "run_n_000001", key="k")
    with pytest.raises(TrainwellError):
        add_run(store, "run_n_000002", key="k")
    assert store.runs.by_key("k")["handle"] == "run_n_000001"


def test_a_transaction_that_fails_leaves_nothing(store):
    def half_done():
        with store.database.transaction():
            add_run(store)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert store.runs.page({}, by_score=False, limit=9, offset=0) == []


def test_a_newer_a_damaged_and_a_locked_store_are_refused_clearly(tmp_path, monkeypatch):
    workspace = Workspace.open(tmp_path)
    Store.open(workspace).database.close()
    connection = apsw.Connection(str(workspace.database))
    monkeypatch.setattr("trainwell.store.database.BUSY_SECONDS", 0.1)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TrainwellError) as locked:
        add_run(Store.open(workspace))
    assert locked.value.code == "store_busy"
    connection.execute("COMMIT")
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(TrainwellError) as newer:
        Store.open(workspace)
    assert newer.value.code == "store_too_new"
    connection.close()
    for companion in ("-wal", "-shm"):
        workspace.database.with_name(workspace.database.name + companion).unlink(missing_ok=True)
    workspace.database.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(TrainwellError) as damaged:
        Store.open(workspace)
    assert damaged.value.code == "store_damaged"


GOLDEN = Path(__file__).parent / "golden" / "schema_v1.sql"


def golden_v1(workspace):
    """A store as version 1 wrote it, with rows, closed."""
    connection = apsw.Connection(str(workspace.database))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(GOLDEN.read_text(encoding="utf-8"))
    connection.execute("PRAGMA user_version = 1")
    for number, state in enumerate(["completed", "queued", "running"], 1):
        spec = run_spec(f"run_old_00000{number}")
        connection.execute(
            "INSERT INTO runs (handle, name, state, model, data, spec, arguments, plan, tags, created_at, not_before, "
            "attempt, step) VALUES (?, 'old', ?, 'm', 'd', ?, '{}', '{\"batch_size\":32}', '[]', 1.0, 1.0, 1, 7)",
            (spec.run, state, spec.model_dump_json()),
        )
        record = json.dumps({"number": 1, "started_at": 5.0, "outcome": "completed"})
        connection.execute("INSERT INTO attempts VALUES (?, 1, ?)", (spec.run, record))
        connection.execute("INSERT INTO epochs VALUES (?, 1, ?)", (spec.run, json.dumps({"epoch": 1, "step": 7})))
    connection.close()


def test_an_older_store_is_copied_then_brought_forward_and_keeps_everything(tmp_path):
    workspace = Workspace.open(tmp_path)
    golden_v1(workspace)
    store = Store.open(workspace)
    row = store.runs.get("run_old_000001")
    assert (row["state"], row["step"], row["attempt"], row["priority"], row["client"]) == ("completed", 7, 1, 1, "")
    assert store.runs.spec("run_old_000002") == run_spec("run_old_000002")
    assert store.history.attempts("run_old_000001") == [AttemptRecord(1, 5.0, outcome="completed")]
    assert [record.step for record in store.history.epochs("run_old_000003")] == [7]
    assert store.queue.next((), 0.0, 300.0) == "run_old_000002"
    copy = apsw.Connection(str(backup_path(workspace.database, 1)), flags=apsw.SQLITE_OPEN_READONLY)
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM runs").fetchone() == (3,)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert not list(workspace.state.glob(".tmp-*"))
    store.database.close()
    Store.open(workspace).database.close()


def test_each_version_has_one_script_and_the_last_is_ours():
    folder = Path(migrations.__file__).parent / "sql"
    numbers = sorted(int(path.name.split("_")[0]) for path in folder.glob("*.sql"))
    assert numbers == list(range(1, migrations.SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_store_of_a_later_version_keeps_its_parents_and_its_queue(tmp_path, version):
    workspace = Workspace.open(tmp_path)
    connection = apsw.Connection(str(workspace.database))
    connection.execute(GOLDEN.with_name(f"schema_v{version}.sql").read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA user_version = {version}")
    for number, parent in enumerate([None, "run_old_000001"], 1):
        spec = run_spec(f"run_old_00000{number}")
        connection.execute(
            "INSERT INTO runs (handle, name, state, model, data, spec, arguments, plan, tags, created_at, not_before, "
            "priority, parent) VALUES (?, 'old', 'queued', 'm', 'd', ?, '{}', '{}', '[]', 1.0, 1.0, 2, ?)",
            (spec.run, spec.model_dump_json(), parent),
        )
    connection.close()
    store = Store.open(workspace)
    row = store.runs.get("run_old_000002")
    assert (row["parent"], row["priority"]) == ("run_old_000001", 2)
    assert [row[name] for name in ("hypothesis", "changed", "repeats", "reproduces")] == [None] * 4
    assert store.queue.next((), 0.0, 300.0) == "run_old_000001"
    assert store.experiments.group("run_old_000001") == []
    assert backup_path(workspace.database, version).exists()
    assert store.database.rows("SELECT * FROM signals") == []


def test_an_upgrade_that_cannot_be_copied_first_changes_nothing(tmp_path, monkeypatch):
    workspace = Workspace.open(tmp_path)
    golden_v1(workspace)

    def full(path, version):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainwell.store.database.back_up", full)
    with pytest.raises(TrainwellError) as refused:
        Store.open(workspace)
    assert refused.value.code == "store_not_copied"
    connection = apsw.Connection(str(workspace.database))
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_many_processes_may_upgrade_one_store_at_once(tmp_path):
    workspace = Workspace.open(tmp_path)
    golden_v1(workspace)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_and_add, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(Store.open(workspace).runs.page({}, by_score=False, limit=9, offset=0)) == 7


def _open_and_add(root, number):
    add_run(Store.open(Workspace.open(root)), f"run_p_00000{number}")


def test_many_processes_may_make_and_fill_one_new_store_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_and_add, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    rows = Store.open(Workspace.open(tmp_path)).runs.page({}, by_score=False, limit=9, offset=0)
    assert len(rows) == 4
