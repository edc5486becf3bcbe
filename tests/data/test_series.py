"""Series: no look ahead, steps that are counted right, and raw rows that become what training saw."""

import json
import math

import numpy as np
import polars as pl
import pytest

from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data.series.clock import fit_clock
from trainwell.data.series.naive import naive_forecast
from trainwell.data.series.season import find_season

ASKED = {"kind": "auto", "task": "forecasting", "split": "auto", "validation_fraction": 0.15, "test_fraction": 0.2}


def prepare(workspace, **arguments):
    return data.prepare(workspace, {**ASKED, **arguments})


def refused(workspace, **arguments):
    with pytest.raises(TrainwellError) as caught:
        prepare(workspace, **arguments)
    return caught.value


def days(count, first="2023-01-01"):
    return [str(day) for day in np.datetime64(first) + np.arange(count)]


def write(workspace, name="table.csv", **columns):
    pl.DataFrame(columns).write_csv(workspace.root / name)
    return name


def counting(workspace, count=200):
    """A series whose value tells its step, so that a look ahead shows: y = step number."""
    return write(workspace, day=days(count), y=np.arange(count) + np.arange(count) % 7 * 0.01)


def own(prepared, standardised, column=0):
    scale = prepared.target_columns[column]
    return standardised * scale.std + scale.mean


def test_no_value_that_validation_or_test_ask_for_is_seen_before(workspace):
    prepared = prepare(workspace, source=counting(workspace), target="y", options={"window": 10, "horizon": 4})
    asked, seen = {}, {}
    for split in ("train", "validation", "test"):
        arrays = data.load_split(workspace, prepared, split)
        asked[split] = {int(v + 0.5) for v in own(prepared, arrays.target).ravel()}
        seen[split] = asked[split] | {int(v + 0.5) for v in own(prepared, arrays.inputs[0][..., 0]).ravel()}
        # The target goes on where the past ends.
        gap = own(prepared, arrays.target[:, 0, 0]) - own(prepared, arrays.inputs[0][:, -1, 0])
        assert np.allclose(gap, 1, atol=0.1)

    assert not seen["train"] & (asked["validation"] | asked["test"])
    assert not seen["validation"] & asked["test"]
    assert max(seen["train"]) < min(asked["validation"])
    assert max(seen["validation"]) < min(asked["test"])


def test_the_scale_is_that_of_the_training_time(workspace):
    prepared = prepare(workspace, source=counting(workspace), target="y", options={"window": 10, "horizon": 4})
    train = np.arange(130) + np.arange(130) % 7 * 0.01

    assert prepared.target_columns[0].mean == pytest.approx(train.mean())
    assert prepared.target_columns[0].std == pytest.approx(train.std())


def test_groups_are_cut_at_the_same_time_and_never_run_into_each_other(workspace):
    day = [*days(100), *days(40, "2023-03-02")]
    source = write(workspace, day=day, who=["a"] * 100 + ["b"] * 40, y=[*range(100), *range(1000, 1040)])
    prepared = prepare(workspace, source=source, target="y", options={"window": 5, "horizon": 3, "group": "who"})
    for split in prepared.splits:
        arrays = data.load_split(workspace, prepared, split)
        jumps = np.diff(own(prepared, np.concatenate([arrays.inputs[0][..., :1], arrays.target], axis=1)), axis=1)
        assert np.allclose(jumps, 1, atol=1e-2)
    raw = pl.read_parquet(workspace.data_dir(prepared.handle) / "raw_test.parquet")
    assert set(raw["who"]) == {"a", "b"}
    assert raw["day"].min() > max(
        pl.read_parquet(workspace.data_dir(prepared.handle) / "raw_validation.parquet")["day"]
    )


def test_what_is_known_of_the_future_belongs_to_the_steps_to_forecast(workspace):
    count = 150
    random = np.random.default_rng(0)
    source = write(workspace, y=random.normal(size=count), plan=np.arange(count) * 1.0, other=random.normal(size=count))
    options = {"window": 6, "horizon": 3, "known_future": ["plan"]}
    prepared = prepare(workspace, source=source, target="y", options=options)
    assert [(spec.name, spec.shape, spec.sizes) for spec in prepared.inputs] == [
        ("past", (6, 3), (1,)), ("future", (3, 1), ())
    ]  # fmt: skip
    arrays = data.load_split(workspace, prepared, "test")
    plan = next(channel for channel in prepared.encoding["channels"] if channel["name"] == "plan")
    future = arrays.inputs[1][..., 0] * plan["std"] + plan["mean"]

    assert np.allclose(future[:, 0], arrays.rows, atol=1e-3)
    assert np.allclose(future[:, 2], arrays.rows + 2, atol=1e-3)


def test_recent_rows_become_the_window_that_ends_with_the_last_known_value(workspace):
    source = counting(workspace)
    prepared = prepare(workspace, source=source, target="y", options={"window": 10, "horizon": 4})
    rows = pl.read_csv(workspace.root / source).to_dicts()
    test = data.load_split(workspace, prepared, "test")
    origin = int(test.rows[3])
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(origin)]
    encoded = data.encode(prepared, rows=shuffled)

    assert encoded.count == 1
    for got, wanted in zip(encoded.inputs, test.inputs, strict=True):
        np.testing.assert_allclose(got[0], wanted[3], atol=1e-5)
    assert encoded.about == [{"times": [rows[origin + step]["day"] for step in range(4)]}]


def test_other_data_is_judged_through_the_own_preprocessing(workspace):
    random = np.random.default_rng(1)
    columns = {"y": random.normal(size=200).cumsum(), "kind": [*"abba"] * 50, "x": random.normal(size=200)}
    first = prepare(workspace, source=write(workspace, day=days(200), **columns), target="y",
                    options={"window": 8, "horizon": 2, "known_future": ["kind"]})  # fmt: skip
    encoded = data.encode(first, source=data.raw_source(workspace, first, "test"))
    arrays = data.load_split(workspace, first, "test")

    assert encoded.target is not None
    for got, wanted in zip((*encoded.inputs, encoded.target), (*arrays.inputs, arrays.target), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert np.array_equal(encoded.rows, arrays.rows)


def test_gaps_are_filled_from_before_and_never_asked_for(workspace):
    y = np.arange(200) * 1.0
    day = days(200)
    kept = np.array([step not in {50, 51, 120} for step in range(200)])
    source = write(workspace, day=np.array(day)[kept].tolist(), y=y[kept])
    prepared = prepare(workspace, source=source, target="y", options={"window": 10, "horizon": 4})
    assert {"time_gaps"} <= {warned.code for warned in prepared.warnings}
    arrays = data.load_split(workspace, prepared, "train")
    asked = np.rint(own(prepared, arrays.target)).astype(int)

    assert not np.isin(asked, [50, 51, 120]).any()
    assert (np.diff(asked[..., 0], axis=1) == 1).all()
    past = np.rint(own(prepared, arrays.inputs[0][..., 0])).astype(int)
    row = past[(past == 52).any(axis=1) & (past == 49).any(axis=1)][0]
    place = int(np.flatnonzero(row == 52)[0])
    assert row[place - 3 : place + 1].tolist() == [49, 49, 49, 52]


@pytest.mark.parametrize(
    ("make", "frequency", "following"),
    [
        (lambda: [f"{2010 + m // 12}-{m % 12 + 1:02d}-01" for m in range(60)], "1mo", "2015-01-01"),
        (lambda: [str(np.datetime64("2024-01-01T00:00") + np.timedelta64(15 * s, "m")).replace("T", " ")
                  for s in range(60)], "900s", "2024-01-01 15:00:00"),
        (lambda: [str(d) for d in np.busday_offset("2024-01-01", np.arange(60), roll="forward")], "1 weekday",
         "2024-03-25"),
        (lambda: days(60), "1d", "2023-03-02"),
    ],
    ids=["months", "quarters of an hour", "working days", "days"],
)  # fmt: skip
def test_steps_are_counted_as_the_calendar_counts_them(make, frequency, following):
    times = np.array(make(), dtype="M8[us]").astype(np.int64)
    clock, regular = fit_clock(times, np.zeros(60, np.int64), dates=True)

    assert (clock.frequency, regular) == (frequency, True)
    ticks = clock.ticks(times)
    assert (np.diff(ticks) == 1).all()
    assert clock.labels(ticks[-1:] + 1) == [following]
    assert np.array_equal(clock.times(ticks), times)


def test_times_without_a_step_are_taken_in_their_order_and_said_so(workspace):
    random = np.random.default_rng(0)
    seconds = random.exponential(5000, size=200).cumsum().astype(int)
    moments = [str(np.datetime64("2024-01-01T00:00:00") + s).replace("T", " ") for s in seconds]
    prepared = prepare(workspace, source=write(workspace, at=moments, y=random.normal(size=200)), target="y")

    assert "irregular_steps" in {warned.code for warned in prepared.warnings}
    assert prepared.encoding["forecast"]["frequency"] is None


@pytest.mark.parametrize(
    ("candidates", "make", "season"),
    [
        ([7, 365], lambda t: np.sin(2 * np.pi * t / 7), 7),
        ([7, 365], lambda t: 0.01 * t, 1),
        ([], lambda t: np.sin(2 * np.pi * t / 24) + 0.1 * t, 24),
        ([2, 48], lambda t: np.sin(2 * np.pi * t / 48), 48),  # smooth: alike at 2, but no season
    ],
)
def test_a_season_is_found_where_the_series_comes_back(candidates, make, season):
    steps = np.arange(400)
    noise = 0.3 * np.random.default_rng(0).normal(size=400)
    assert find_season([make(steps) + noise], candidates, 100) == season


def test_the_naive_forecast_repeats_the_season_and_its_score_is_the_baseline(workspace):
    steps = np.arange(300)
    y = 10 * np.sin(2 * np.pi * steps / 7) + np.random.default_rng(0).normal(size=300)
    prepared = prepare(workspace, source=write(workspace, day=days(300), y=y), target="y")
    naive = prepared.encoding["naive"]
    arrays = data.load_split(workspace, prepared, "validation")
    forecast = naive_forecast(prepared, arrays.inputs)

    assert (naive["season"], prepared.encoding["forecast"]["horizon"]) == (7, 7)
    assert forecast.shape == arrays.target.shape
    np.testing.assert_allclose(own(prepared, forecast[:, 0, 0]), y[arrays.rows - 7], atol=1e-4)
    # Two draws of the noise apart: the mean of |N(0, 2)|.
    assert naive["scale"][0] == pytest.approx(2 / math.sqrt(math.pi), rel=0.15)
    spread = np.square(arrays.target - arrays.target.mean(0)).sum()
    assert prepared.baseline.metric == "val_r2"
    assert prepared.baseline.value == pytest.approx(1 - np.square(arrays.target - forecast).sum() / spread, abs=1e-4)


def test_several_series_are_forecast_together(workspace):
    random = np.random.default_rng(0)
    source = write(workspace, day=days(200), a=random.normal(size=200), b=50 + 9 * random.normal(size=200))
    prepared = prepare(workspace, source=source, targets=["b", "a"], options={"window": 9, "horizon": 3})
    arrays = data.load_split(workspace, prepared, "test")

    assert prepared.target_shape == (3, 2)
    assert [column.name for column in prepared.target_columns] == ["b", "a"]
    assert prepared.num_outputs == 6
    table = pl.read_csv(workspace.root / source)
    np.testing.assert_allclose(own(prepared, arrays.target[:, 0, 0]), table["b"].gather(arrays.rows), atol=1e-3)
    np.testing.assert_allclose(own(prepared, arrays.target[:, 0, 1], 1), table["a"].gather(arrays.rows), atol=1e-4)


def test_inspecting_a_time_series_says_how_to_forecast_it(workspace):
    y = 10 * np.sin(2 * np.pi * np.arange(300) / 7) + np.random.default_rng(0).normal(size=300)
    seen = data.inspect(workspace, {"source": write(workspace, day=days(300), y=y)})

    assert (seen["kind"], seen["task"], seen["frequency"], seen["season"], seen["gaps"]) == (
        "series", "forecasting", "1d", 7, 0
    )  # fmt: skip
    call = seen["next_call"]["arguments"]
    assert (call["target"], call["task"]) == ("y", "forecasting")
    assert prepare(workspace, **call).task == "forecasting"


# Whole series.


def lists(workspace, count=60, **changes):
    random = np.random.default_rng(0)
    with (workspace.root / "lists.jsonl").open("w") as file:
        for number in range(count):
            steps = int(random.integers(5, 12))
            row = {"id": f"s{number}", "who": f"u{number % 10}", "x": random.normal(size=steps).tolist(),
                   "y": [[step, number] for step in range(steps)], "kind": "ab"[number % 2]}  # fmt: skip
            file.write(json.dumps({**row, **changes}) + "\n")
    return "lists.jsonl"


WHOLE = {"task": "auto", "target": "kind"}


def test_lists_of_unequal_length_are_padded_and_their_length_told(workspace):
    prepared = prepare(workspace, source=lists(workspace), **WHOLE)
    assert [(spec.role, spec.shape) for spec in prepared.inputs] == [("sequence", (11, 3)), ("length", ())]
    x, length = data.load_split(workspace, prepared, "train").inputs
    assert length.dtype == np.int64
    assert (length.min(), length.max()) == (5, 11)
    behind = np.arange(11) >= length[:, None]
    assert (x[behind] == 0).all()
    inside = x[~behind]
    np.testing.assert_allclose(inside.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(inside.std(0), 1, atol=1e-5)


def test_no_person_comes_into_two_parts(workspace):
    prepared = prepare(workspace, source=lists(workspace), **WHOLE, options={"group": "who", "series": "id"})
    people = [set((data.load_split(workspace, prepared, split).rows % 10).tolist()) for split in prepared.splits]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]


def test_raw_series_become_what_training_saw(workspace):
    prepared = prepare(workspace, source=lists(workspace), **WHOLE, options={"series": "id"})
    test = data.load_split(workspace, prepared, "test")
    objects = [json.loads(line) for line in (workspace.root / "lists.jsonl").read_text().splitlines()]
    encoded = data.encode(prepared, rows=[objects[row] for row in test.rows])
    again = data.encode(prepared, source=data.raw_source(workspace, prepared, "test"))

    for one in (encoded, again):
        for got, wanted in zip((*one.inputs, one.target), (*test.inputs, test.target), strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert encoded.about[0] == {"series": objects[int(test.rows[0])]["id"]}


@pytest.mark.parametrize("kinds", [{}, {"kind": 1}], ids=["names", "one part all of one number"])
def test_labelled_series_of_several_files_are_one_data_set(workspace, kinds):
    lists(workspace, count=30, **kinds).replace("lists", "")
    (workspace.root / "lists.jsonl").rename(workspace.root / "judged.jsonl")
    lists(workspace)

    prepared = prepare(
        workspace, source="lists.jsonl", validation_source="judged.jsonl", target="kind", task="classification"
    )
    assert prepared.splits["validation"] == 30
    assert prepared.splits["train"] + prepared.splits["test"] == 60
    assert len(data.load_split(workspace, prepared, "validation").target) == 30


def test_a_long_table_holds_the_same_series_as_lists(workspace):
    wide = prepare(workspace, source=lists(workspace), **WHOLE, options={"series": "id"}, columns=["x"])
    objects = [json.loads(line) for line in (workspace.root / "lists.jsonl").read_text().splitlines()]
    steps = [(row["id"], step, value, row["kind"]) for row in objects for step, value in enumerate(row["x"])]
    order = np.random.default_rng(0).permutation(len(steps))
    names = ("id", "step", "x", "kind")
    pl.DataFrame([steps[place] for place in order], schema=names, orient="row").write_csv(workspace.root / "long.csv")
    long = prepare(workspace, source="long.csv", **WHOLE, options={"series": "id", "time": "step"})
    rows = [{"id": "s3", "step": step, "x": value} for step, value in enumerate(objects[3]["x"])][::-1]

    assert sum(long.splits.values()) == sum(wide.splits.values()) == 60
    found = data.encode(long, rows=rows).inputs[0][0] * long.encoding["scale"]["std"] + long.encoding["scale"]["mean"]
    np.testing.assert_allclose(found[: len(rows), 0], objects[3]["x"], atol=1e-6)


def test_arrays_with_lengths_and_groups_are_read(workspace):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 20, 3)).astype(np.float32)
    lengths = random.integers(4, 21, size=60)
    np.savez(workspace.root / "a.npz", X=x, y=np.arange(60) % 3, lengths=lengths, who=np.arange(60) % 6)
    prepared = prepare(workspace, source="a.npz", task="auto", options={"group": "who"})
    arrays = data.load_split(workspace, prepared, "test")

    assert (prepared.kind, prepared.task, len(prepared.classes)) == ("series", "classification", 3)
    assert np.array_equal(arrays.inputs[1], np.minimum(lengths[arrays.rows], prepared.inputs[0].shape[0]))
    bad = {"X": x, "y": np.arange(60) % 3, "lengths": lengths + 20}
    np.savez(workspace.root / "b.npz", **bad)
    assert refused(workspace, source="b.npz", task="auto").code == "bad_lengths"


def test_windows_over_a_change_of_class_are_left_out_and_parts_of_one_recording_do_not_overlap(workspace):
    doing = (["sit"] * 40 + ["walk"] * 40) * 8
    source = write(workspace, x=np.random.default_rng(0).normal(size=640), doing=doing)
    prepared = prepare(
        workspace, source=source, task="classification", target="doing", options={"window": 10, "stride": 5}
    )
    rows = {split: data.load_split(workspace, prepared, split).rows for split in prepared.splits}

    assert all(doing[row] == doing[row + 9] for part in rows.values() for row in part)
    assert rows["train"].max() + 10 <= rows["validation"].min()
    assert rows["validation"].max() + 10 <= rows["test"].min()
    assert "mixed_windows" in {warned.code for warned in prepared.warnings}


def test_series_that_are_rarely_long_are_cut_and_it_is_told(workspace):
    rows = [{"x": [1.0 * step for step in range(500 if number == 7 else 10)], "kind": "ab"[number % 2]}
            for number in range(200)]  # fmt: skip
    (workspace.root / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prepared = prepare(workspace, source="l.jsonl", **WHOLE)

    assert prepared.inputs[0].shape == (10, 1)
    assert any("cut" in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x": [1.0, "a"]}, "bad_value"),
        ({"x": [1.0, 2.0], "y": [[1, 2]]}, "unequal_channels"),
        ({"x": [[[1.0]]]}, "bad_value"),
        ({"kind": "a"}, "one_class"),
    ],
)
def test_bad_lists_are_refused(workspace, change, code):
    assert refused(workspace, source=lists(workspace, **change), **WHOLE).code == code


def test_a_target_that_changes_within_a_series_is_refused_with_the_ways_out(workspace):
    source = write(workspace, id=[f"s{n // 10}" for n in range(300)], x=np.random.default_rng(0).normal(size=300),
                   kind=["a", "b", "b"] * 100)  # fmt: skip
    error = refused(workspace, source=source, **WHOLE, options={"series": "id"})
    assert error.code == "target_varies"
    assert "window" in error.hint
    assert refused(workspace, source=source, kind="series", task="classification", target="kind").code == (
        "missing_argument"
    )
