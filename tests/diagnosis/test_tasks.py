"""Rules know what is learnt: no accuracy of forecasts, no classes where there are labels, and an eye for faults."""

import math

import pytest

from trainwell.contract.trace import EpochRecord, Trace
from trainwell.diagnosis import diagnose
from trainwell.diagnosis.signals import chance_loss, fit_by_score, is_regression, loss_floor

CONFIG = {"lr": 2e-3, "optimizer": "adamw", "epochs": 20, "batch_size": 32, "weight_decay": 0.01}


def trace(task, losses, val, scores, score, **data):
    epochs = tuple(
        EpochRecord(number, number * 40, train_loss=a, val_loss=b, lr=1e-3, update_ratio=1e-3, **{score: c})
        for number, (a, b, c) in enumerate(zip(losses, val, scores, strict=True), start=1)
    )  # fmt: skip
    known = {"task": task, "train_rows": 1200, "validation_rows": 300, "rows": 1500, **data}
    return Trace(epochs=epochs, config=dict(CONFIG), model={"architecture": "mlp", "hidden_dims": [64, 32]}, data=known)


def falling(first, last, count=20):
    return [last + (first - last) * math.exp(-number / 4) for number in range(count)]


def rising(first, last, count=20):
    return [last + (first - last) * math.exp(-number / 4) for number in range(count)]


LABELS = {"class_counts": [300] * 80, "num_classes": 80, "baseline": 0.2}


@pytest.mark.parametrize(
    "healthy",
    [
        trace("multilabel", falling(0.69, 0.1), falling(0.69, 0.12), rising(0.1, 0.85), "val_f1", **LABELS),
        # Half of what is to come is chance, and the naive forecast is worse than the mean.
        trace("forecasting", falling(1.0, 0.55), falling(1.0, 0.6), rising(0.0, 0.45), "val_r2", baseline=-0.2),
        trace("reconstruction", falling(1.0, 0.6), falling(1.0, 0.6), rising(0.0, 0.4), "val_r2", baseline=0.0),
    ],
    ids=["multilabel", "forecasting", "reconstruction"],
)
def test_a_healthy_run_of_each_task_is_left_alone(healthy):
    assert diagnose(healthy) == []


@pytest.mark.parametrize(
    ("task", "score", "guess", "data"),
    [("multilabel", "val_f1", 0.5, LABELS), ("forecasting", "val_r2", 1.0, {"baseline": 0.3}),
     ("reconstruction", "val_r2", 1.0, {"baseline": 0.0})],
)  # fmt: skip
def test_a_run_that_stays_at_guessing_is_a_plateau_in_each_task(task, score, guess, data):
    flat = trace(task, [guess] * 20, [guess] * 20, [0.0] * 20, score, **data)

    (finding,) = diagnose(flat)
    assert "plateau" in {finding.code, *finding.also}


@pytest.mark.parametrize(("task", "score"), [("multilabel", "val_f1"), ("forecasting", "val_r2")])
def test_learning_by_heart_is_seen_in_each_task(task, score):
    val = falling(0.6, 0.35, 10) + [0.35 + 0.05 * number for number in range(10)]
    scores = rising(0.1, 0.7, 10) + [0.7 - 0.03 * number for number in range(10)]
    found = diagnose(trace(task, falling(0.6, 0.05), val, scores, score, **LABELS))

    assert [finding.code for finding in found] == ["overfitting"]
    assert "accuracy" not in found[0].symptom.lower()


def test_the_loss_of_guessing_labels_is_the_entropy_of_each():
    told = trace("multilabel", [1.0], [1.0], [0.0], "val_f1", class_counts=[750, 150])
    half, tenth = math.log(2), -0.1 * math.log(0.1) - 0.9 * math.log(0.9)

    assert chance_loss(told) == pytest.approx((half + tenth) / 2)
    assert not is_regression(told)
    smooth = Trace(data=told.data, config={"label_smoothing": 0.2})
    assert loss_floor(smooth) == pytest.approx(tenth)


def test_targets_of_a_python_program_have_their_own_loss_of_guessing():
    assert chance_loss(Trace(data={"task": "regression", "chance_loss": 25.0})) == 25.0


def test_a_forecast_worse_than_the_naive_one_is_no_good_fit():
    worse = trace("forecasting", falling(1.0, 0.5), falling(1.0, 0.6), rising(0.0, 0.4), "val_r2", baseline=0.8)

    assert fit_by_score(worse) == pytest.approx(0.4, abs=0.02)
