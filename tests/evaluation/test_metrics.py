"""Our metrics against scikit-learn's, and intervals against what they promise."""

import numpy as np
import pytest
from sklearn import metrics as reference

from trainwell.evaluation import metrics


def drawn(rows, classes, seed):
    generator = np.random.default_rng(seed)
    true = generator.integers(0, classes, rows)
    predicted = np.where(generator.random(rows) < 0.6, true, generator.integers(0, classes, rows))
    return true, predicted


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (7, 2), (200, 3), (5_000, 50)])
def test_class_metrics_are_those_of_scikit_learn(rows, classes):
    true, predicted = drawn(rows, classes, seed=rows)
    counts = metrics.class_counts(true, predicted, classes)
    shown = np.union1d(true, predicted)

    assert metrics.f1_macro(counts) == pytest.approx(
        reference.f1_score(true, predicted, average="macro", labels=shown, zero_division=0)
    )
    assert metrics.f1_by_class(counts)[shown] == pytest.approx(
        reference.f1_score(true, predicted, average=None, labels=shown, zero_division=0)
    )
    recalls = reference.recall_score(true, predicted, average=None, labels=np.unique(true), zero_division=0)
    assert metrics.balanced_accuracy(counts) == pytest.approx(recalls.mean())


def test_a_row_without_a_prediction_is_a_miss():
    counts = metrics.class_counts(np.array([0, 0, 1, 1]), np.array([0, -1, 1, 1]), 2)

    assert metrics.balanced_accuracy(counts) == 0.75
    assert counts.predicted.tolist() == [1, 2]


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_the_area_under_the_curve_is_that_of_scikit_learn_with_ties_too(levels):
    generator = np.random.default_rng(levels)
    positive = generator.random(500) < 0.2
    scores = np.round(generator.random(500) * levels + positive)

    assert metrics.roc_auc(positive, metrics.dense_ranks(scores)) == pytest.approx(
        reference.roc_auc_score(positive, scores)
    )


def test_the_area_under_the_curve_needs_both_classes():
    assert metrics.roc_auc(np.ones(4, dtype=bool), np.arange(4)) is None


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression_scores_are_those_of_scikit_learn(offset):
    generator = np.random.default_rng(0)
    true = generator.normal(size=300) + offset
    predicted = true + generator.normal(size=300) / 3
    scores = metrics.regression_scores(true, predicted)

    assert scores["rmse"] == pytest.approx(reference.root_mean_squared_error(true, predicted))
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(true, predicted))
    assert scores["r2"] == pytest.approx(reference.r2_score(true, predicted))


def test_r2_of_a_constant_target_is_none_even_where_the_mean_is_rounded():
    assert metrics.regression_scores(np.full(3, 0.1), np.zeros(3))["r2"] is None


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence = np.array([0.9] * 10 + [0.6] * 10)
    hit = np.array([True] * 9 + [False] + [True] * 3 + [False] * 7)

    assert metrics.expected_calibration_error(confidence, hit) == pytest.approx(0.5 * 0.0 + 0.5 * 0.3)
    assert metrics.expected_calibration_error(np.ones(4), np.ones(4, dtype=bool)) == 0.0


def test_wilson_gives_the_published_values():
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert metrics.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert metrics.wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=1e-4)


def test_the_bootstrap_finds_the_error_of_a_mean_and_finds_it_again():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)

    def intervals(seed):
        return metrics.bootstrap(400, lambda rows: {"mean": float(values[rows].mean())}, seed=seed)["mean"]

    half = metrics.Z_95 * values.std() / 20
    assert intervals(0) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    assert intervals(0) == intervals(0) != intervals(1)


def test_the_bootstrap_has_no_interval_for_what_most_draws_do_not_define():
    def rarely(rows):
        return {"x": float(rows.sum()) if (rows == 0).sum() > 2 else None}

    assert metrics.bootstrap(5, rarely) == {"x": None}


def test_many_rows_are_drawn_less_often():
    assert [metrics.num_resamples(rows) for rows in (1, 10_000, 50_000, 10_000_000)] == [1000, 1000, 200, 100]


def test_bins_of_equal_mass_keep_equal_confidences_together():
    confidence = np.concatenate([np.full(50, 0.99), np.linspace(0.5, 0.9, 50)])
    bins = metrics.reliability(confidence, confidence > 0.7, bins=10)

    assert sum(one.rows for one in bins) == 100
    assert [one.rows for one in bins if one.confidence > 0.95] == [50]
    assert all(one.low <= one.share + 1e-9 and one.share - 1e-9 <= one.high for one in bins)
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)


def test_curves_have_the_areas_that_scikit_learn_finds():
    random = np.random.default_rng(0)
    due = random.random(300) < 0.3
    scores = np.round(due + random.normal(size=300), 1)  # with ties
    false, true, _ = reference.roc_curve(due, scores, drop_intermediate=False)
    precision, recall, _ = reference.precision_recall_curve(due, scores)

    assert np.array(metrics.roc_points(due, scores)) == pytest.approx(np.array([false, true]))
    assert np.array(metrics.precision_recall_points(due, scores))[:, 1:] == pytest.approx(
        np.array([recall[-2::-1], precision[-2::-1]])
    )
