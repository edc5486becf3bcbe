"""Series from files on disk to classes and forecasts of raw rows."""

import csv

import pytest

from tests.journeys.series_files import recordings, rows_of, shops, wave, waves


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru", "tcn"])
def test_whole_series_of_unequal_length_become_a_network_that_names_new_ones(family, call, refuse, trained, services):
    waves(services.workspace.root / "waves.jsonl")
    asked = call("inspect_data", source="waves.jsonl", target="kind")
    assert (asked["kind"], asked["task"]) == ("series", "classification")
    prepared = call("prepare_data", source="waves.jsonl", target="kind", options={"series": "id"})
    run = trained(prepared["data"], family, {"hidden_size": 16}, epochs=15, batch_size=16)

    assert call("evaluate", run=run)["metrics"]["accuracy"] >= 0.85 > prepared["baseline"]["value"]
    told = call("predict", run=run, rows=[wave(True), wave(False, steps=25)])
    assert told["predictions"] == ["fast", "slow"]
    assert refuse("predict", run=run, rows=[{"x": [1.0, 2.0]}])["code"] == "missing_column"
    assert refuse("predict", run=run, rows=[{"x": [1.0], "noise": [1.0, 2.0]}])["code"] == "unequal_channels"


def test_windows_of_recordings_are_judged_on_people_that_training_never_saw(call, trained, services):
    recordings(services.workspace.root / "steps.csv")
    prepared = call(
        "prepare_data", source="steps.csv", target="doing", drop_columns=["step"],
        options={"window": 20, "stride": 10, "group": "user", "time": "step"}, detail="full",
    )  # fmt: skip
    assert any("group" in note for note in prepared["notes"])
    run = trained(prepared["data"], "tcn", {"hidden_size": 16}, epochs=8, batch_size=16)

    assert call("evaluate", run=run)["metrics"]["accuracy"] >= 0.95
    # The user's first 60 steps are of the first kind.
    with (services.workspace.root / "steps.csv").open() as file:
        rows = [{name: row[name] for name in ("user", "step", "up", "side")} for row in csv.DictReader(file)][:60]
    for row in rows:
        row.update(step=int(row["step"]), up=float(row["up"]), side=float(row["side"]))
    told = call("predict", run=run, rows=rows)
    assert (told["count"], set(told["predictions"])) == (5, {"sits"})


@pytest.mark.parametrize("family", ["gru", "tcn"])
def test_a_table_of_the_past_becomes_forecasts_that_beat_the_naive_one(family, call, refuse, trained, services):
    table = services.workspace.root / "shops.csv"
    shops(table)
    options = {"group": "shop", "known_future": ["promotion"], "horizon": 7}
    prepared = call("prepare_data", source="shops.csv", target="sold", task="forecasting", options=options)
    assert prepared["inputs"]["future"][0] == 7
    run = trained(prepared["data"], family, {"hidden_size": 16}, epochs=15)
    judged = call("evaluate", run=run)

    assert judged["metrics"]["mase"] < 0.5
    assert judged["baseline"]["beaten"]
    past = rows_of(table, "north")[:300]
    known = [{**row, "sold": None, "promotion": "yes" if place == 3 else "no"}
             for place, row in enumerate(rows_of(table, "north")[300:307])]  # fmt: skip
    told = call("predict", run=run, rows=[*past, *known])["predictions"][0]
    values = told["values"]["sold"]
    assert (told["group"], told["times"][0], len(values)) == ("north", "2023-10-28", 7)
    plain = call("predict", run=run, rows=[*past, *({**row, "promotion": "no"} for row in known)])
    lift = values[3] - plain["predictions"][0]["values"]["sold"][3]
    assert lift == pytest.approx(10, abs=3)
    assert refuse("predict", run=run, rows=past)["code"] == "missing_future"
    assert refuse("predict", run=run, rows=[*past[-3:], *known])["code"] == "history_too_short"


@pytest.mark.slow
@pytest.mark.parametrize("family", ["rnn", "lstm", "gru", "tcn"])
def test_a_killed_training_on_series_goes_on(family, call, resumes, services):
    waves(services.workspace.root / "waves.jsonl")
    data = call("prepare_data", source="waves.jsonl", target="kind", options={"series": "id"})["data"]
    run = resumes(data, family, {"hidden_size": 16}, epochs=30, batch_size=8)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.8


@pytest.mark.slow
def test_a_killed_training_of_a_forecast_goes_on(call, resumes, services):
    shops(services.workspace.root / "shops.csv")
    options = {"group": "shop", "known_future": ["promotion"], "horizon": 7}
    data = call("prepare_data", source="shops.csv", target="sold", task="forecasting", options=options)["data"]
    run = resumes(data, "gru", {"hidden_size": 16}, epochs=40, batch_size=16)
    assert call("evaluate", run=run)["metrics"]["mase"] < 0.6


def test_a_table_that_cannot_be_forecast_is_refused_with_the_way_out(call, refuse, services):
    shops(services.workspace.root / "shops.csv", days=60)
    asked = {"source": "shops.csv", "target": "sold", "task": "forecasting"}
    without_group = refuse("prepare_data", **asked)
    assert (without_group["code"], without_group["argument"]) == ("duplicate_times", "options/group")
    assert "shop" in without_group["hint"]
    options = {"group": "shop"}
    assert refuse("prepare_data", **asked, options={**options, "window": 500})["code"] == "too_few_windows"
    assert refuse("prepare_data", **asked, options=options, split="random")["code"] == "split_does_not_fit"
    assert refuse("prepare_data", **{**asked, "target": "shop"}, options={})["code"] == "target_not_numeric"
    assert refuse("prepare_data", **asked, options={**options, "known_future": ["sold"]})["code"] == "column_twice"
