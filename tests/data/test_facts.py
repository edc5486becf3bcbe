"""What rows show before anything is learnt: told for spoiled rows, silent for real ones as they are."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from trainwell.contract.specs import Baseline, PreparedData, TensorSpec
from trainwell.data.facts import gather
from trainwell.data.parts import SplitArrays

LOADERS = {"digits": load_digits, "cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris,
           "diabetes": load_diabetes}  # fmt: skip


def rows(name, scaled=True):
    x, y = LOADERS[name](return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float64), y[order]
    if scaled:
        x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    return x, y


def facts(x, y, x_val=None, y_val=None, *, ordered=False, task=None):
    """Of rows that are divided here, or of both parts as given."""
    if x_val is None:
        cut = int(0.75 * len(x))
        x, y, x_val, y_val = x[:cut], y[:cut], x[cut:], y[cut:]
    task = task or ("regression" if y.dtype.kind == "f" else "classification")
    prepared = PreparedData(
        handle="data_x_000001", name="x", kind="arrays", task=task, source="x", fingerprint="0",
        inputs=(TensorSpec(name="x", shape=x.shape[1:]),), target="y",
        classes=tuple(map(str, range(int(max(y.max(), y_val.max())) + 1))) if task == "classification" else (),
        splits={"train": len(x), "validation": len(x_val)}, baseline=Baseline(metric="m", value=0.0, how=""),
    )  # fmt: skip
    target = np.int64 if task == "classification" else np.float32
    parts = [SplitArrays((a,), np.asarray(b, target), np.arange(len(a))) for a, b in ((x, y), (x_val, y_val))]
    return gather(prepared, *parts, ordered=ordered)


@pytest.mark.parametrize("name", LOADERS)
def test_real_rows_as_they_are_show_nothing_odd(name):
    found = facts(*rows(name))

    json.dumps(found, allow_nan=False)
    assert found["data.nonfinite_rows"] == found["data.nonfinite_targets"] == found["data.copies"] == 0
    assert found["data.shift"] < 1
    assert 0.5 < found["data.scale_ratio"] < 2
    assert found["data.repeated_columns"] == 0
    assert found.get("data.wrong_labels", 0) < 0.05
    assert found["data.signal"] > 0.35
    assert found["data.best_column_tells"] < 0.97
    assert found == facts(*rows(name)), "the same rows show the same"


def test_gaps_are_named_with_their_column_and_first_row():
    x, y = rows("wine")
    x[[7, 30], 4] = np.nan, np.inf

    found = facts(x, y)

    assert found["data.nonfinite_rows"] == pytest.approx(2 / 133, rel=1e-4)
    assert (found["data.nonfinite_column"], found["data.nonfinite_first"]) == ("x[4]", 7)


def test_wrong_labels_are_counted_about_as_often_as_they_are():
    x, y = rows("digits")
    wrong = np.random.default_rng(1).random(len(y)) < 0.2
    y = np.where(wrong, (y + 3) % 10, y)

    assert facts(x, y)["data.wrong_labels"] == pytest.approx(0.2, abs=0.07)


def test_classes_that_overlap_are_not_taken_for_wrong_labels():
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 900)
    x = random.normal(size=(900, 6)) + 0.8 * y[:, None]

    assert facts(x, y)["data.wrong_labels"] < 0.08


def test_targets_that_do_not_belong_to_their_rows_cannot_be_told():
    x, y = rows("digits")

    found = facts(x, np.random.default_rng(0).permutation(y))

    assert abs(found["data.signal"]) < 0.1
    assert abs(found["data.signal_validation"]) < 0.1


def test_classes_that_are_numbered_otherwise_are_told_by_renaming():
    x, y = rows("digits")

    found = facts(x[:1300], y[:1300], x[1300:], (y[1300:] + 1) % 10)

    assert found["data.signal_validation"] < 0.1
    assert found["data.signal_renamed"] > 0.8


def test_copies_across_splits_are_counted_but_not_rows_that_can_hardly_differ():
    x, y = rows("cancer")
    assert facts(x[:400], y[:400], x[300:], y[300:])["data.copies"] == pytest.approx(100 / 269, rel=1e-4)

    few = (x[:, :3] > 0).astype(float)
    assert "data.copies" not in facts(few, y)


def test_a_column_that_is_the_answer_stands_out():
    x, y = rows("diabetes")

    found = facts(np.column_stack([x, 3 * y + 1]), y)

    assert (found["data.best_column"], found["data.best_column_tells"]) == ("x[10]", 1.0)
    assert found["data.next_column_tells"] < 0.5


def test_validation_on_another_scale_or_elsewhere_is_measured():
    x, y = rows("cancer")
    scaled = facts(x[:400], y[:400], 30 * x[400:], y[400:])
    moved = facts(x[:400], y[:400], x[400:] + np.arange(30) % 2 * 2.0, y[400:])

    assert scaled["data.scale_ratio"] > 10
    assert (scaled["data.rescaled_columns"], moved["data.rescaled_columns"]) == (1.0, 0.0)
    assert moved["data.shift"] == pytest.approx(2, abs=0.4)
    assert moved["data.shifted_columns"] == pytest.approx(0.5, abs=0.1)


def test_class_numbers_taken_for_a_quantity_are_shared_by_neighbours():
    x, y = rows("digits")
    codes = facts(x, y.astype(np.float64))
    assert codes["data.target_codes"]
    assert codes["data.target_values"] == 10
    assert codes["data.code_signal"] > 0.8
    assert not facts(*rows("diabetes"))["data.target_codes"]


def test_a_rare_class_that_can_be_told_is_a_signal_though_accuracy_does_not_show_it():
    random = np.random.default_rng(0)
    x = random.normal(size=(1300, 6))
    risk = x[:, 0] + 0.5 * x[:, 1] + 1.8 * random.normal(size=len(x))
    rare = (risk > np.quantile(risk, 0.88)).astype(int)

    assert facts(x, rare)["data.signal"] < 0.1
    assert facts(x, rare)["data.signal_balanced"] > 0.15
    assert facts(x, random.permutation(rare))["data.signal_balanced"] == 0


def test_a_few_values_that_are_all_of_the_variance_are_no_long_tail():
    x, y = rows("diabetes")
    y = y.astype(np.float64)
    wrong = np.where(np.arange(len(y)) % 50 == 7, 1000 * y, y)

    found = facts(x, wrong)

    assert found["data.target_outliers"] == pytest.approx(0.02, abs=0.005)
    assert found["data.target_outlier_part"] > 0.99
    assert found["data.target_farthest"] > 500
    assert facts(x, y)["data.target_outliers"] == 0
    by_factors = np.exp(2 * np.random.default_rng(0).normal(size=len(y)))
    assert facts(x, by_factors)["data.target_outliers"] == 0, "incomes and prices are no mistake"


def test_the_order_of_rows_counts_where_it_is_kept():
    x, y = rows("digits")
    order = np.argsort(y, kind="stable")

    found = facts(x[order], y[order], x, y, ordered=True)

    assert found["data.ordered"]
    assert found["data.label_runs"] > 0.95
    assert found["data.label_chance"] < 0.2


def test_wide_rows_are_looked_at_in_part():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(300, 20_000)), generator.integers(0, 2, 300)

    found = facts(x, y)

    assert found["data.columns"] == 1024
    assert found["data.rows_looked_at"] == 225
