"""An evaluation is honest: intervals, a baseline, the worst rows, and no NaN."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as reference

from tests.evaluation.networks import Echo, arrays
from tests.factories import prepared_data
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TensorSpec
from trainwell.evaluation.evaluate import evaluate


def classes(*names, counts=None):
    return prepared_data(
        classes=names,
        class_counts=counts or (10,) * len(names),
        inputs=(TensorSpec(name="x", shape=(len(names),)),),
    )


def regression(mean=0.0, std=1.0):
    return prepared_data(
        task="regression",
        classes=(),
        class_counts=(),
        inputs=(TensorSpec(name="x", shape=(1,)),),
        target_mean=mean,
        target_std=std,
    )


def judged(prepared, split_arrays, **more):
    report = evaluate(Echo(), prepared, split_arrays, **{"split": "test", **more})
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return report


def random_logits(rows, num_classes, seed=0):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, num_classes, rows)
    return generator.normal(size=(rows, num_classes)) + 2 * np.eye(num_classes)[target], target


def test_classification_agrees_with_scikit_learn():
    logits, target = random_logits(400, 3)
    report = judged(classes("a", "b", "c"), arrays(logits, target))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    numbers = report["metrics"]

    assert numbers["accuracy"] == pytest.approx(reference.accuracy_score(target, logits.argmax(1)), rel=1e-4)
    assert numbers["log_loss"] == pytest.approx(reference.log_loss(target, shares), rel=1e-4)
    assert numbers["f1_macro"] == pytest.approx(reference.f1_score(target, logits.argmax(1), average="macro"), rel=1e-4)
    assert "roc_auc" not in numbers
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss"):
        low, high = numbers[f"{name}_interval"]
        assert low < numbers[name] < high
    assert report["baseline"]["beaten"] is True


def test_two_classes_have_an_area_under_the_curve():
    logits, target = random_logits(200, 2)
    numbers = judged(classes("no", "yes"), arrays(logits, target))["metrics"]

    assert numbers["roc_auc"] == pytest.approx(reference.roc_auc_score(target, logits[:, 1] - logits[:, 0]), rel=1e-4)
    assert numbers["roc_auc_interval"][0] < numbers["roc_auc"] < numbers["roc_auc_interval"][1]


def test_regression_is_told_in_the_units_of_the_target():
    generator = np.random.default_rng(0)
    target = generator.normal(size=300).astype(np.float32)
    guess = target + generator.normal(size=300) / 5
    report = judged(regression(mean=100.0, std=20.0), arrays(guess[:, None], target))
    true, predicted = target * 20.0 + 100.0, guess * 20.0 + 100.0

    assert report["metrics"]["rmse"] == pytest.approx(reference.root_mean_squared_error(true, predicted), rel=1e-4)
    assert report["metrics"]["r2"] == pytest.approx(reference.r2_score(true, predicted), rel=1e-4)
    assert report["metrics"]["rmse_interval"][0] < report["metrics"]["rmse"] < report["metrics"]["rmse_interval"][1]
    assert report["baseline"]["value"] == pytest.approx(reference.r2_score(true, np.full(300, 100.0)), abs=1e-5)
    assert report["baseline"]["beaten"] is True


def test_a_network_that_always_says_the_frequent_class_does_not_beat_the_baseline():
    target = np.array([0] * 90 + [1] * 10)
    report = judged(classes("a", "b", counts=(900, 100)), arrays([[1.0, 0.0]] * 100, target))

    assert report["metrics"]["accuracy"] == report["baseline"]["value"] == 0.9
    assert report["metrics"]["balanced_accuracy"] == 0.5
    assert report["baseline"]["beaten"] is False
    assert any("baseline" in note for note in report["notes"])


def test_the_worst_rows_come_first_with_their_place_in_the_source():
    logits = [[9.0, 0.0], [0.0, 9.0], [0.0, 5.0], [2.0, 0.0]]
    report = judged(classes("cat", "dog"), arrays(logits, [0, 0, 0, 1], rows=[40, 41, 42, 43]))

    assert [row["row"] for row in report["worst"]] == [41, 42, 43, 40]
    assert report["worst"][0] == {
        "row": 41, "true": "cat", "predicted": "dog", "probability": 0.99988, "loss": 9.0001,
    }  # fmt: skip
    assert report["confusions"] == [
        {"true": "cat", "predicted": "dog", "rows": 2, "share_of_class": 0.66667},
        {"true": "dog", "predicted": "cat", "rows": 1, "share_of_class": 1.0},
    ]
    assert report["per_class"] == [
        {"class": "dog", "rows": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0},
        {"class": "cat", "rows": 3, "precision": 0.5, "recall": 0.33333, "f1": 0.4},
    ]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_outputs_that_are_not_finite_count_as_wrong_and_are_told(broken):
    logits, target = random_logits(100, 2)
    logits = np.where(np.arange(100)[:, None] == 7, broken, 50 * (np.eye(2)[target] - 0.5))
    report = judged(classes("a", "b"), arrays(logits, target))

    assert report["metrics"]["accuracy"] == 0.99
    assert report["metrics"]["log_loss"] is None
    assert report["metrics"]["log_loss_interval"] is None
    assert report["metrics"]["roc_auc"] is None
    assert report["metrics"]["ece"] is None
    assert report["worst"][0] == {
        "row": 7, "true": "ab"[target[7]], "predicted": None, "probability": None, "loss": None,
    }  # fmt: skip
    assert any("NaN or infinity for 1 of 100 rows" in note for note in report["notes"])


def test_regression_with_a_value_that_is_not_finite_has_no_metrics():
    report = judged(regression(), arrays([[1.0], [np.nan], [2.0]], [1.0, 2.0, 3.0]))

    assert {report["metrics"][name] for name in ("rmse", "mae", "r2")} == {None}
    assert report["worst"][0] == {"row": 1, "true": 2.0, "predicted": None, "error": None}
    assert report["baseline"]["beaten"] is False


def test_a_constant_target_has_no_r2_and_says_so():
    report = judged(regression(mean=3.3), arrays([[0.1], [0.2]], np.zeros(2, dtype=np.float32)))

    assert report["metrics"]["r2"] is None
    assert report["metrics"]["rmse"] > 0
    assert any("r2 is null" in note for note in report["notes"])


def test_rows_whose_target_the_network_does_not_know_are_left_out_and_counted():
    report = judged(classes("a", "b"), arrays([[3.0, 0.0]] * 4, [0, -1, 1, 2], rows=[5, 6, 7, 8]))

    assert report["rows"] == 2
    assert report["metrics"]["accuracy"] == 0.5
    assert [row["row"] for row in report["worst"]] == [7, 5]
    assert any(note.startswith("2 rows were left out") for note in report["notes"])


def test_a_split_without_any_known_target_is_refused():
    with pytest.raises(TrainwellError) as caught:
        judged(classes("a", "b"), arrays([[3.0, 0.0]], [-1]))

    assert caught.value.code == "no_labelled_rows"


def test_a_split_with_one_class_has_no_area_under_the_curve():
    report = judged(classes("a", "b"), arrays([[3.0, 0.0], [0.0, 1.0]], [0, 0]))

    assert report["metrics"]["roc_auc"] is None
    assert any("one class only" in note for note in report["notes"])


def test_only_the_twenty_worst_of_many_classes_are_shown():
    logits, target = random_logits(2_000, 100)
    report = judged(classes(*(f"class {number}" for number in range(100))), arrays(logits, target))

    assert len(report["per_class"]) == 20
    assert report["classes_left_out"] == 80
    assert len(report["confusions"]) == 10
    assert [row["f1"] for row in report["per_class"]] == sorted(row["f1"] for row in report["per_class"])


def test_names_from_the_data_cannot_break_out_of_the_report():
    report = judged(classes("ok\u202e\nIGNORE ALL", "b" * 500), arrays([[0.0, 1.0], [1.0, 0.0]], [0, 1]))
    text = json.dumps(report, ensure_ascii=False)

    assert "\u202e" not in text
    assert "b" * 100 not in text


def test_the_same_rows_give_the_same_report():
    logits, target = random_logits(150, 2)
    prepared = classes("a", "b")

    assert judged(prepared, arrays(logits, target)) == judged(prepared, arrays(logits, target))


@pytest.fixture
def raw(tmp_path):
    """100 rows: the network is wrong on every row of the colour red, and on no other."""
    path = tmp_path / "raw_test.parquet"
    colours = ["red"] * 20 + ["blue"] * 70 + [None] * 10
    table = {
        "colour": colours,
        "size": [float(number) for number in range(99)] + [None],
        "id": [f"row {number}" for number in range(100)],
    }
    pl.DataFrame(table).write_parquet(path)
    return path


RED_IS_WRONG = arrays([[0.0, 4.0]] * 20 + [[4.0, 0.0]] * 80, [0] * 100)


def test_slices_show_where_it_fails(raw):
    report = judged(classes("a", "b"), RED_IS_WRONG, raw=raw, slices=["colour", "size", "id"])
    colour, size, name = report["slices"]
    worst, best = colour["groups"][0], colour["groups"][-1]

    assert (worst["value"], worst["rows"], worst["accuracy"], worst["differs"]) == ("red", 20, 0.0, "worse")
    assert (best["value"], best["accuracy"], best["differs"]) == ("blue", 1.0, "better") or best["value"] == "(missing)"
    assert {group["value"]: group["rows"] for group in colour["groups"]} == {"red": 20, "blue": 70, "(missing)": 10}
    assert next(group["value"] for group in size["groups"]) == "<= 24"
    assert sum(group["rows"] for group in size["groups"]) == 100
    assert {group["value"]: group["rows"] for group in name["groups"]}["(90 other values)"] == 90


def test_regression_slices_are_errors(raw):
    guesses = [[4.0], [6.0]] * 10 + [[0.1], [0.2]] * 40
    report = judged(regression(std=2.0), arrays(guesses, np.zeros(100)), raw=raw, slices=["colour"])

    assert report["slices"][0]["metric"] == "rmse"
    worst = report["slices"][0]["groups"][0]
    assert (worst["value"], worst["rows"], worst["rmse"], worst["differs"]) == ("red", 20, 10.198, "worse")
    assert worst["low"] < worst["rmse"] < worst["high"]


def test_a_group_of_one_row_is_not_called_worse(tmp_path):
    pl.DataFrame({"colour": ["red", *["blue"] * 29]}).write_parquet(tmp_path / "raw.parquet")
    guesses = [[5.0], *[[0.1]] * 29]
    report = judged(regression(), arrays(guesses, np.zeros(30)), raw=tmp_path / "raw.parquet", slices=["colour"])

    assert report["slices"][0]["groups"][0] == {
        "value": "red", "rows": 1, "rmse": 5.0, "low": None, "high": None, "differs": None,
    }  # fmt: skip


def test_no_mistake_in_few_rows_is_not_called_certain():
    report = judged(classes("a", "b"), arrays([[3.0, 0.0], [0.0, 2.0]] * 10, [0, 1] * 10))

    assert report["metrics"]["accuracy_interval"] == [pytest.approx(0.8389, abs=1e-4), 1.0]
    assert report["metrics"]["balanced_accuracy_interval"] is None
    assert any("balanced_accuracy_interval" in note for note in report["notes"])


def test_slices_and_raw_values_follow_the_rows_that_were_left_out(raw):
    split = arrays([[0.0, 4.0]] * 20 + [[4.0, 0.0]] * 80, [-1] * 19 + [0] * 81)
    report = judged(classes("a", "b"), split, raw=raw, slices=["colour"])

    assert report["slices"][0]["groups"][0]["rows"] == 1
    assert report["worst"][0]["values"] == {"colour": "red", "size": 19.0, "id": "row 19"}


def test_a_misspelt_column_is_refused_with_the_nearest_one(raw):
    with pytest.raises(TrainwellError) as caught:
        judged(classes("a", "b"), RED_IS_WRONG, raw=raw, slices=["size", "color"])

    assert (caught.value.code, caught.value.argument) == ("missing_column", "slices/1")
    assert "colour" in caught.value.hint


def test_slices_without_raw_columns_are_refused(tmp_path):
    for raw_path in (None, tmp_path / "none.parquet"):
        with pytest.raises(TrainwellError) as caught:
            judged(classes("a", "b"), RED_IS_WRONG, raw=raw_path, slices=["colour"])
        assert caught.value.code == "no_raw_columns"


def test_raw_columns_of_other_rows_are_refused(raw):
    with pytest.raises(TrainwellError) as caught:
        judged(classes("a", "b"), arrays([[1.0, 0.0]], [0]), raw=raw, slices=["colour"])

    assert caught.value.code == "data_damaged"
