"""Each task through the tools: trained, judged beside its guess, drawn, asked for predictions in a file."""

import json

import numpy as np
import polars as pl
import pytest

from trainwell.contract.specs import Baseline, PreparedData, TargetColumn, TensorSpec

ROWS = {"train": 600, "validation": 150, "test": 150}


def kept(services, parts, **fields):
    """Prepared data as a kind would leave it: arrays in the workspace, the handle in the store."""
    task = fields["task"]
    prepared = PreparedData(
        handle=f"data_{task}_000001", name=task, kind=fields.pop("kind", "arrays"), source="made", fingerprint="0" * 64,
        splits=ROWS, baseline=Baseline(metric="val_r2", value=0.0, how="the mean"), **fields,
    )  # fmt: skip
    folder = services.workspace.data_dir(prepared.handle)
    folder.mkdir(parents=True)
    first = 0
    for split, count in ROWS.items():
        for name, values in parts.items():
            np.save(folder / f"{split}_{name}.npy", values[first : first + count])
        np.save(folder / f"{split}_rows.npy", np.arange(first, first + count))
        first += count
    (folder / "meta.json").write_text(prepared.model_dump_json())
    services.store.artifacts.put_data(prepared)
    return prepared.handle


def labels(services):
    random = np.random.default_rng(0)
    x = random.normal(size=(900, 6)).astype(np.float32)
    due = np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0.5, x[:, 3] > 1], axis=1).astype(np.float32)
    return kept(
        services, {"x": x, "target": due}, task="multilabel", inputs=(TensorSpec(name="x", shape=(6,)),), target="",
        classes=("warm", "wet", "windy"), class_counts=tuple(int(count) for count in due.sum(0)), target_shape=(3,),
    )  # fmt: skip


def series(services, window=24, horizon=6, season=12):
    """A season whose height drifts: repeating it is a fair guess, but not the best."""
    random = np.random.default_rng(0)
    steps = np.arange(900 + window + horizon)
    heat = np.sin(2 * np.pi * steps / season) * (1 + 0.5 * np.sin(steps / 40)) + 0.1 * random.normal(size=len(steps))
    whole = np.lib.stride_tricks.sliding_window_view(heat, window + horizon)[:900].astype(np.float32)[..., None]
    scale = float(np.abs(heat[season:600] - heat[: 600 - season]).mean() * 10)
    return kept(
        services, {"past": whole[:, :window], "target": whole[:, window:]}, task="forecasting", kind="series",
        inputs=(TensorSpec(name="past", shape=(window, 1), role="sequence", sizes=(1,)),), target="heat",
        target_shape=(horizon, 1), target_columns=(TargetColumn(name="heat", mean=50.0, std=10.0),),
        encoding={"naive": {"season": season, "scale": [scale], "how": "the value one season (12 steps) before"}},
    )  # fmt: skip


def copies(services):
    random = np.random.default_rng(0)
    code = random.normal(size=(900, 2))
    x = (code @ random.normal(size=(2, 8)) + 0.1 * random.normal(size=(900, 8))).astype(np.float32)
    x /= x.std(0)
    x[800] = 6  # an anomaly in the test part
    return kept(
        services, {"x": x, "target": x}, task="reconstruction", inputs=(TensorSpec(name="x", shape=(8,)),),
        target="the inputs", target_shape=(8,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "metric", "options"),
    [(labels, "f1_micro", {}), (series, "mase", {}), (copies, "r2", {"hidden_dims": [32, 2, 32], "dropout": 0.0})],
    ids=["multilabel", "forecasting", "reconstruction"],
)
def test_a_task_is_learnt_judged_and_drawn(services, call, trained, make, metric, options):
    run = trained(make(services), "mlp", options, epochs=25)
    seen = call("get_run", run=run, detail="full")
    score = services.store.runs.spec(run).data.score_name
    told = call("evaluate", run=run, plot="auto")

    assert told["baseline"]["metric"] == metric
    assert told["baseline"]["beaten"] is True, told["summary"]
    assert metric in told["summary"]
    assert len(json.dumps(told)) < 8000
    assert (services.workspace.root / told["picture"]).read_bytes().startswith(b"\x89PNG")
    assert seen["best"][score] > 0.7
    assert score in seen["full"]["history"]
    assert call("diagnose", run=run)["findings"] == []
    if make is copies:
        assert told["details"]["worst"][0]["row"] == 800


def test_predictions_of_labels_are_lists_with_probabilities_in_an_answer_and_columns_in_a_file(services, call, trained):
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3)).astype(np.float32)
    np.savez(services.workspace.root / "rows.npz", X=x, y=(x[:, 0] > 0).astype(int))
    data = call("prepare_data", source="rows.npz")["data"]
    prepared = services.store.artifacts.data(data)
    # The same arrays with two labels: what the kind will do by itself once it knows the task.
    two = prepared.model_copy(update={
        "task": "multilabel", "classes": ("plus", "big"), "class_counts": (200, 60), "target_shape": (2,),
        "handle": "data_two_000001",
    })  # fmt: skip
    folder = services.workspace.data_dir(two.handle)
    folder.mkdir()
    for split in ("train", "validation", "test"):
        for part in ("x", "rows"):
            values = np.load(services.workspace.data_dir(data) / f"{split}_{part}.npy")
            np.save(folder / f"{split}_{part}.npy", values)
        raw = x[np.load(folder / f"{split}_rows.npy")]
        np.save(folder / f"{split}_target.npy", np.stack([raw[:, 0] > 0, raw[:, 1] > 1], axis=1).astype(np.float32))
    services.store.artifacts.put_data(two)
    run = trained(two.handle, "mlp", epochs=20)
    told = call("predict", run=run, rows=[[2.0, 2.5, 0.0], [-2.0, -1.0, 0.0]], output="told.parquet")

    assert told["predictions"] == [["plus", "big"], []]
    assert [len(row) for row in told["confidence"]] == [2, 0]
    assert '["plus", "big"]' in told["summary"]
    file = pl.read_parquet(services.workspace.root / "told.parquet")
    assert file.columns == ["prediction", "probability_plus", "probability_big"]
    assert file["prediction"].to_list() == ["plus | big", ""]


def test_other_data_of_a_forecast_is_refused_with_what_to_do_instead(services, call, refuse, trained):
    data = series(services)
    run = trained(data, "mlp", epochs=1)
    other = services.store.artifacts.data(data).model_copy(update={"handle": "data_other_000001"})
    services.store.artifacts.put_data(other)

    error = refuse("evaluate", run=run, data=other.handle)
    assert error["code"] == "no_raw_rows"
    assert "test_source" in error["hint"]
