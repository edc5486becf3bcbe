"""Many labels, forecasts and reconstructions are judged as scikit-learn would, each beside a fair guess."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from matplotlib import image
from sklearn import metrics as reference
from torch import nn

from tests.evaluation import made
from tests.evaluation.networks import Echo
from trainwell.data import SplitArrays
from trainwell.evaluation.evaluate import evaluate
from trainwell.evaluation.pictures import Picture
from trainwell.evaluation.predict import predict


class Says(nn.Module):
    """Gives fixed outputs, row by row, whatever it is asked; counts the rows."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs, self.asked = torch.from_numpy(np.array(outputs, dtype=np.float32)), 0

    def forward(self, x, *_):
        first, self.asked = self.asked % len(self.outputs), self.asked + len(x)
        return self.outputs[first : first + len(x)].flatten(1)


def judged(prepared, network, inputs, target, **more):
    arrays = SplitArrays((np.asarray(inputs),), np.asarray(target), np.arange(len(target)) + 100)
    report = evaluate(network, prepared, arrays, **{"split": "test", **more})
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return report


def labelled(rows=200, seed=0):
    random = np.random.default_rng(seed)
    due = (random.random((rows, 3)) < [0.6, 0.2, 0.1]).astype(np.float32)
    return (random.normal(size=due.shape) + 3 * due - 1.5).astype(np.float32), due


def test_labels_are_scored_as_by_scikit_learn():
    logits, due = labelled()
    report = judged(made.multilabel(), Echo(), logits, due)
    numbers, given = report["metrics"], logits > 0
    shares = 1 / (1 + np.exp(-logits.astype(np.float64)))

    assert numbers["f1_micro"] == pytest.approx(reference.f1_score(due, given, average="micro"), rel=1e-4)
    assert numbers["f1_macro"] == pytest.approx(reference.f1_score(due, given, average="macro"), rel=1e-4)
    assert numbers["exact_match"] == pytest.approx(reference.accuracy_score(due, given), rel=1e-4)
    assert numbers["average_precision"] == pytest.approx(reference.average_precision_score(due, shares), rel=1e-4)
    losses = [reference.log_loss(due[:, number], shares[:, number]) for number in range(3)]
    assert numbers["log_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    for name in ("f1_micro", "f1_macro", "exact_match", "log_loss"):
        low, high = numbers[f"{name}_interval"]
        assert low < numbers[name] < high
    blue = next(row for row in report["per_label"] if row["label"] == "blue")
    assert blue["rows"] == due[:, 2].sum()
    assert blue["precision"] == pytest.approx(reference.precision_score(due[:, 2], given[:, 2]), rel=1e-4)
    assert blue["recall"] == pytest.approx(reference.recall_score(due[:, 2], given[:, 2]), rel=1e-4)
    assert [row["f1"] for row in report["per_label"]] == sorted(row["f1"] for row in report["per_label"])


def test_the_guess_about_labels_is_always_the_commonest_ones():
    logits, due = labelled()
    report = judged(made.multilabel(), Echo(), logits, due)
    always_red = np.zeros_like(due)
    always_red[:, 0] = 1

    assert report["baseline"]["value"] == pytest.approx(reference.f1_score(due, always_red, average="micro"), rel=1e-4)
    assert report["baseline"]["beaten"] is True
    assert '"red"' in report["baseline"]["how"]
    lazy = judged(made.multilabel(), Echo(), always_red - 0.5, due)
    assert lazy["metrics"]["f1_micro"] == lazy["baseline"]["value"]
    assert lazy["baseline"]["beaten"] is False


def test_rare_labels_only_still_give_a_guess_of_one_label():
    _, due = labelled()
    report = judged(made.multilabel(counts=(10, 12, 3)), Echo(), due - 0.5, due)

    assert report["baseline"]["how"] == 'always the commonest labels, "green"'


def test_labels_that_are_not_finite_are_no_labels_and_are_told():
    logits, due = labelled()
    logits[3, 1] = np.nan
    report = judged(made.multilabel(), Echo(), logits, due)

    assert report["metrics"]["log_loss"] is None
    assert report["metrics"]["average_precision"] is None
    assert report["metrics"]["f1_micro"] > 0.5
    assert report["worst"][0]["row"] == 103
    assert report["worst"][0]["predicted"] is None
    assert any("NaN or infinity for 1 of 200 rows" in note for note in report["notes"])


def test_only_the_twenty_worst_of_many_labels_are_shown():
    random = np.random.default_rng(0)
    due = (random.random((300, 60)) < 0.3).astype(np.float32)
    names = tuple(f"label {number}" for number in range(60))
    report = judged(made.multilabel(names, (90,) * 60, 300), Echo(), random.normal(size=due.shape), due)

    assert (len(report["per_label"]), report["labels_left_out"]) == (20, 40)
    assert len(json.dumps(report)) < 8000


def test_predicted_labels_come_with_their_probabilities():
    told = predict(Echo(), made.multilabel(), [np.array([[2.0, -1.0, 0.5], [-1.0] * 3, [np.nan] * 3], np.float32)])

    assert told.predictions == [["red", "blue"], [], None]
    assert told.confidence == [[0.8808, 0.6225], [], []]
    assert told.columns["prediction"] == ["red | blue", "", None]
    assert told.not_finite == 1


def test_a_forecast_is_scored_in_the_units_of_each_column_beside_the_naive_one():
    past, target = made.seasonal()
    random = np.random.default_rng(1)
    guess = target + 0.1 * random.normal(size=target.shape)
    prepared = made.forecasting()
    report = judged(prepared, Says(guess), past, target)
    naive = np.concatenate([past[:, 4:7]], axis=1)
    errors, naive_errors = (np.abs(one - target).mean(axis=(0, 1)) for one in (guess, naive))
    std, scale = np.array([10.0, 2.0]), np.array([5.0, 1.0])

    assert report["metrics"]["mase"] == pytest.approx((errors * std / scale).mean(), rel=1e-4)
    assert report["metrics"]["mae"] == pytest.approx((errors * std).mean(), rel=1e-4)
    assert report["baseline"]["value"] == pytest.approx((naive_errors * std / scale).mean(), rel=1e-4)
    assert report["baseline"]["metric"] == "mase"
    assert report["baseline"]["beaten"] is True
    flat = target.reshape(len(target), -1)
    expected = reference.r2_score(flat, guess.reshape(flat.shape), multioutput="variance_weighted")
    assert report["metrics"]["r2"] == pytest.approx(expected, rel=1e-4)
    sales, heat = report["by_column"]
    assert (sales["column"], heat["column"]) == ("sales", "heat")
    assert heat["mae"] == pytest.approx(errors[1] * 2, rel=1e-4)
    assert heat["naive_mase"] == pytest.approx(naive_errors[1] * 2 / 1, rel=1e-4)
    assert [step["step"] for step in report["by_step"]] == [1, 2, 3]
    for step in report["by_step"]:
        assert step["mase"] < step["naive_mase"]
    assert "windows overlap" in report["interval_method"]


def test_a_forecast_that_repeats_the_season_does_not_beat_the_naive_one():
    past, target = made.seasonal()
    report = judged(made.forecasting(), Says(past[:, 4:7]), past, target)

    assert report["metrics"]["mase"] == report["baseline"]["value"]
    assert report["baseline"]["beaten"] is False
    assert any("naive" in note for note in report["notes"])


def test_long_forecasts_of_many_columns_have_short_reports():
    names = tuple(f"store {number}" for number in range(40))
    past, target = made.seasonal(window=96, horizon=48, columns=40)
    prepared = made.forecasting(48, names, 96, std=(1.0,) * 40, scale=(1.0,) * 40)
    report = judged(prepared, Says(target + 0.1), past, target)

    assert (len(report["by_column"]), report["columns_left_out"]) == (12, 28)
    assert [report["by_step"][0]["step"], report["by_step"][-1]["step"]] == [1, 48]
    assert len(json.dumps(report)) < 8000


def test_a_forecast_is_told_by_column_in_its_own_units():
    past = np.zeros((2, 8, 2), np.float32)
    outputs = [[[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]], [[np.nan] * 2] * 3]
    told = predict(Says(outputs), made.forecasting(), [past])

    assert told.predictions == [{"sales": [0.0, 10.0, 20.0], "heat": [100.0, 102.0, 98.0]}, None]
    assert told.per_row == 3
    assert told.columns["step"].tolist() == [1, 2, 3] * 2
    assert told.columns["heat"][:3].tolist() == [100.0, 102.0, 98.0]
    assert told.not_finite == 1


def test_a_forecast_with_a_value_that_is_not_finite_has_no_metrics():
    past, target = made.seasonal()
    guess = target.copy()
    guess[7, 1, 0] = np.nan
    report = judged(made.forecasting(), Says(guess), past, target)

    assert report["metrics"] == dict.fromkeys(report["metrics"])
    assert report["worst"][0]["row"] == 107
    assert report["baseline"]["beaten"] is False
    assert "by_column" not in report


def test_slices_of_a_forecast_are_compared_by_mase(tmp_path):
    past, target = made.seasonal(rows=80)
    shop = np.array(["far", "near"] * 40)
    pl.DataFrame({"shop": shop}).write_parquet(tmp_path / "raw.parquet")
    guess = target + np.where(shop == "far", 2.0, 0.1)[:, None, None]
    report = judged(made.forecasting(), Says(guess), past, target, raw=tmp_path / "raw.parquet", slices=["shop"])

    worst, best = report["slices"][0]["groups"]
    assert (worst["value"], worst["differs"], best["differs"]) == ("far", "worse", "better")
    assert worst["mase"] > 4 * best["mase"]


def test_what_comes_back_is_scored_against_the_mean_row():
    random = np.random.default_rng(0)
    true = random.normal(size=(300, 4)).astype(np.float32)
    back = true + 0.3 * random.normal(size=true.shape).astype(np.float32)
    back[17] += 5
    report = judged(made.reconstruction(), Says(back), true, true)

    assert report["metrics"]["r2"] == pytest.approx(
        reference.r2_score(true, back, multioutput="variance_weighted"), rel=1e-4
    )
    assert report["metrics"]["rmse"] == pytest.approx(np.sqrt(((back - true) ** 2).mean()), rel=1e-4)
    assert report["worst"][0]["row"] == 117
    assert report["worst"][0]["better_rows"] == pytest.approx(299 / 300, abs=1e-4)
    assert (report["baseline"]["value"], report["baseline"]["beaten"]) == (0.0, True)
    mean = judged(made.reconstruction(), Says(np.tile(true.mean(0), (300, 1))), true, true)
    assert mean["metrics"]["r2"] == pytest.approx(0, abs=1e-6)
    assert mean["baseline"]["beaten"] is False


def test_images_that_come_back_are_compared_on_the_scale_of_the_network(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 1, 6, 6)).astype(np.uint8)
    back = (images - 100.0) / 50.0 + 0.1
    network = Says(back)
    picture = tmp_path / "picture.png"
    report = judged(
        made.reconstruction((1, 6, 6), image=True), network, images, images, picture=Picture("auto", picture, "t")
    )

    assert report["metrics"]["rmse"] == pytest.approx(0.1, rel=1e-3)
    assert image.imread(picture).shape[2] == 4
    assert network.asked == 40 + 8  # each row once, and once more the eight that are shown
    told = predict(Says(back[:2]), made.reconstruction((1, 6, 6), image=True), [images[:2]])
    assert told.predictions == pytest.approx([0.1, 0.1], rel=1e-3)
    assert told.columns["reconstruction"][0] == pytest.approx(np.clip(images[0].ravel() + 5.0, 0, 255), abs=1e-3)


@pytest.mark.parametrize(
    ("prepared", "outputs", "inputs", "target"),
    [
        (made.multilabel(), labelled()[0], labelled()[0], labelled()[1]),
        (made.forecasting(), made.seasonal()[1] * 1.1, *made.seasonal()),
        (made.reconstruction(), np.ones((30, 4)), np.eye(4, dtype=np.float32)[np.arange(30) % 4],
         np.eye(4, dtype=np.float32)[np.arange(30) % 4]),
    ],
    ids=["multilabel", "forecasting", "reconstruction"],
)  # fmt: skip
def test_a_picture_costs_no_second_pass(tmp_path, prepared, outputs, inputs, target):
    network = Says(outputs)
    judged(prepared, network, inputs, target, picture=Picture("auto", tmp_path / "picture.png", "t"))

    assert image.imread(tmp_path / "picture.png").shape[2] == 4
    assert network.asked <= len(target) + 4


def test_several_values_a_row_are_scored_as_by_scikit_learn():
    random = np.random.default_rng(0)
    true = random.normal(size=(80, 3)).astype(np.float32)
    guess = true + 0.2 * random.normal(size=true.shape)
    prepared = made.reconstruction((3,)).model_copy(update={"task": "regression", "target_shape": (3,)})
    report = judged(prepared, Says(guess), true, true)

    expected = reference.r2_score(true, guess, multioutput="variance_weighted")
    assert report["metrics"]["r2"] == pytest.approx(expected, rel=1e-4)
    assert len(report["worst"][0]["true"]) == 3
