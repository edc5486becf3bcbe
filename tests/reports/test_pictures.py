"""Pictures are real PNGs, written whole or not at all, for every run and every name that data may hold."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image

from trainwell.contract.findings import Finding
from trainwell.contract.trace import EpochRecord, SignalRecord
from trainwell.evaluation.pictures import draw_curves, draw_reliability
from trainwell.reports import curves, diagnosis, flow, marks, picture, residuals, scores

NAMES = ["$\\alpha$", "漢字", "\u202edne", "a_b^{2", "x" * 300, ""]


def epochs(count=12, broken=(), **extra):
    return [
        EpochRecord(
            number, number * 10,
            train_loss=math.nan if number in broken else 2.0 / number,
            val_loss=math.inf if number in broken else 2.1 / number,
            train_accuracy=1 - 0.9 / number, val_accuracy=1 - 0.95 / number, lr=0.001 * number, **extra,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def pixels(path):
    """(height, width, 4) values in [0, 1]; reading fails on a picture that is cut short."""
    shown = image.imread(path)
    assert shown.shape[2] == 4
    return shown


def coloured(shown, colour):
    """How many pixels have a colour given as #rrggbb."""
    wanted = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return int((np.abs(shown[..., :3] - wanted).max(axis=2) < 0.02).sum())


def test_learning_curves_show_both_lines_and_the_rate(tmp_path):
    path = curves.draw_curves(
        epochs(30), tmp_path / "report" / "curves.png", title="run_digits_1", score_name="val_accuracy"
    )

    shown = pixels(path)
    assert shown.shape[1] == round(curves.WIDTH * picture.DOTS_PER_INCH)
    assert min(coloured(shown, colour) for colour in (picture.TRAIN, picture.VALIDATION)) > 500
    assert coloured(shown, picture.ALARM) == 0


def test_epochs_that_are_not_finite_are_marked(tmp_path):
    some = pixels(curves.draw_curves(epochs(broken=(8, 9)), tmp_path / "some.png", title="t"))
    most = pixels(curves.draw_curves(epochs(broken=range(3, 13)), tmp_path / "most.png", title="t"))

    assert 0 < coloured(some, picture.ALARM) < coloured(most, picture.ALARM)


@pytest.mark.parametrize(
    ("records", "score_name"),
    [
        ([], "val_accuracy"),
        (epochs(1), "val_accuracy"),
        (epochs(broken=range(1, 13)), "val_r2"),
        (epochs(val_r2=0.4), "val_r2"),
        (epochs(val_r2=-1e30), "val_r2"),
        (epochs(val_rmse=41.0), "val_rmse"),
        ([EpochRecord(1, 1), EpochRecord(2, 2)], "val_accuracy"),
        ([EpochRecord(1, 1, train_loss=0.0, val_loss=-1.0), EpochRecord(2, 2, train_loss=1e300)], "val_accuracy"),
    ],
)
def test_every_run_has_a_picture(tmp_path, records, score_name):
    pixels(curves.draw_curves(records, tmp_path / "curves.png", title="t", score_name=score_name))


def test_the_same_run_gives_the_same_bytes(tmp_path):
    first, second = (
        curves.draw_curves(epochs(), tmp_path / name, title="t").read_bytes() for name in ("a.png", "b.png")
    )

    assert first == second


@pytest.mark.parametrize("title", NAMES)
def test_a_title_is_never_read_as_mathematics(tmp_path, title):
    pixels(curves.draw_curves(epochs(3), tmp_path / "curves.png", title=title))


def test_a_confusion_matrix_shows_right_in_blue_and_wrong_in_orange(tmp_path):
    right = pixels(scores.draw_confusion(np.diag([30, 40]), ["no", "yes"], tmp_path / "right.png", title="t"))
    wrong = pixels(scores.draw_confusion(np.diag([30, 40])[::-1], ["no", "yes"], tmp_path / "wrong.png", title="t"))

    assert coloured(right, picture.TRAIN) > 10_000 > coloured(right, picture.VALIDATION)
    assert coloured(wrong, picture.VALIDATION) > 10_000 > coloured(wrong, picture.TRAIN)


@pytest.mark.parametrize(
    ("matrix", "names"),
    [
        (np.zeros((2, 2), dtype=np.int64), ["a", "b"]),
        (np.diag([3, 10**7, 5, 0, 1, 2]), NAMES),
        (np.eye(300, dtype=np.int64), [f"class {number}" for number in range(300)]),
    ],
)
def test_every_confusion_has_a_picture(tmp_path, matrix, names):
    shown = pixels(scores.draw_confusion(matrix, names, tmp_path / "confusion.png", title="t"))

    assert max(shown.shape) < 2500


def test_many_classes_keep_those_with_the_most_errors_and_lose_no_row():
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(50, 90, 100))
    counts[7, 93] = counts[93, 7] = 40

    kept, names = scores._most_confused(counts, [str(number) for number in range(100)])

    assert kept.shape == (scores.MOST_CLASSES, scores.MOST_CLASSES)
    assert kept.sum() == counts.sum()
    assert {"7", "93"} <= set(names)
    assert kept[names.index("7"), names.index("93")] == 40
    assert names[-1] == "77 others"


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        (np.arange(300.0), np.arange(300.0) + 5),
        (np.arange(5000.0), np.where(np.arange(5000) == 7, 1e9, np.arange(5000.0))),
        (np.ones(5), np.ones(5)),
        (np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, np.inf])),
        (np.array([np.nan]), np.array([np.nan])),
        (np.array([]), np.array([])),
    ],
)
def test_every_regression_has_a_picture(tmp_path, true, predicted):
    pixels(scores.draw_regression(true, predicted, tmp_path / "regression.png", title="t"))


def test_a_picture_that_fails_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch):
    path = curves.draw_curves(epochs(), tmp_path / "curves.png", title="old")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        curves.draw_curves(epochs(), path, title="new")

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["curves.png"]  # noqa: PTH208


def test_reports_load_no_matplotlib_until_they_draw():
    code = "import sys, trainwell.reports.curves, trainwell.reports.scores; sys.exit('matplotlib' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def without_colour(shown):
    return shown[..., :3].mean(axis=2)


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_curves_over_thresholds_are_told_apart_without_colour(tmp_path, kind):
    random = np.random.default_rng(0)
    due = np.eye(3, dtype=bool)[random.integers(0, 3, 500)]
    share = due + random.normal(size=due.shape) * (0.2, 0.6, 1.5)
    some, two = tmp_path / "some.png", tmp_path / "two.png"
    draw_curves(kind, due, share, NAMES[:3], some, "t")
    draw_curves(kind, due[:, :2], share[:, :2], NAMES[:2], two, "t")

    apart = np.abs(without_colour(pixels(some)) - without_colour(pixels(two))) > 0.1
    assert apart.sum() > 500


@pytest.mark.parametrize("due", [np.zeros((4, 2), bool), np.zeros((0, 2), bool)])
@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_classes_that_do_not_occur_still_have_a_picture(tmp_path, kind, due):
    draw_curves(kind, due, np.zeros(due.shape), ["a", "b"], tmp_path / "curves.png", "t")
    pixels(tmp_path / "curves.png")


def test_a_network_that_is_too_sure_lies_below_the_line(tmp_path):
    share = np.linspace(0.01, 0.99, 900)
    honest = np.random.default_rng(0).random(900) < share
    for name, hit in (("honest", honest), ("sure", honest & (np.arange(900) % 2 == 0)), ("none", honest[:0])):
        draw_reliability(share[: len(hit)], hit, tmp_path / f"{name}.png", "t", what="predicted class")
    first, second = (pixels(tmp_path / f"{name}.png") for name in ("honest", "sure"))
    middles = [
        float(np.nonzero(np.abs(shown[..., :3] - (0.878, 0.424, 0.122)).max(axis=2) < 0.02)[0].mean())
        for shown in (first, second)
    ]

    assert middles[0] < middles[1]  # rows of pixels are counted from the top
    pixels(tmp_path / "none.png")


@pytest.mark.parametrize("rows", [0, 1, 30, 4000])
def test_every_set_of_residuals_has_a_picture(tmp_path, rows):
    true = np.random.default_rng(0).normal(size=(rows, 1))
    true[: rows // 10] = np.nan
    pixels(residuals.draw_residuals(true, np.zeros_like(true), tmp_path / "residuals.png", title="t"))


def finding(code="overfitting", **evidence):
    return Finding(code=code, severity="warning", symptom="s" * 300, cause="c", confidence=0.9, evidence=evidence)


def looks(layers=6, count=5):
    names = [f"layers.{number}.weight" for number in range(layers)]
    return [
        SignalRecord(step * 50, 1 + step, grad_norms={name: 10.0 ** -(row + step) for row, name in enumerate(names)},
                     update_ratios=dict.fromkeys(names, 1e-3), dead={"act.1": 0.6})
        for step in range(count)
    ]  # fmt: skip


def test_a_finding_is_marked_where_its_evidence_or_the_curve_shows_it(tmp_path):
    shown = epochs(12)
    places = [mark.epoch for mark in marks.marks_of(
        [finding("non_finite_loss", first_bad_epoch=8), finding("loss_spikes", step=75), finding("overfitting"),
         finding("class_imbalance"), finding("x", first_bad_epoch=99)], shown)]  # fmt: skip

    assert places == [8, 8, 12, None, None]
    plain_one = pixels(curves.draw_curves(shown, tmp_path / "a.png", title="t"))
    marked = pixels(curves.draw_curves(shown, tmp_path / "b.png", title="t", findings=[finding(at_epoch=5)] * 9))
    assert marked.shape[0] > plain_one.shape[0]
    assert coloured(marked, picture.INK) > coloured(plain_one, picture.INK) + 500


def test_a_diagnosis_has_a_block_for_all_that_is_known_and_none_for_what_is_not(tmp_path):
    classes = {"recalls": [0.5, None, 0.0, 1.0], "predicted": [5, 0, 0, 9]}
    known = {
        "nothing": ([], [], []),
        "curves": (epochs(), [], []),
        "marks": (epochs(), [], [finding()]),
        "flow": (epochs(), looks(), [finding()]),
        "classes": (epochs(**classes), looks(), [finding()]),
        "only flow": ([], looks(), []),
    }

    heights = {
        name: pixels(diagnosis.draw_diagnosis(*what, tmp_path / f"{name}.png", title=name)).shape[0]
        for name, what in known.items()
    }

    assert heights["nothing"] == heights["curves"] < heights["marks"] < heights["flow"] < heights["classes"]
    assert heights["only flow"] > heights["curves"]


def test_gradients_of_zero_nan_and_many_layers_can_be_drawn(tmp_path):
    odd = SignalRecord(9, 1, grad_norms={"a": 0.0, "b": math.nan, "c": math.inf, "$x$": 1e30}, update_ratios={"a": 0.0})

    pixels(diagnosis.draw_diagnosis([], [odd], [], tmp_path / "odd.png", title="t"))
    assert len(flow.layers_of(looks(200))) == flow.MOST_LAYERS
    assert flow.layers_of(looks(200))[-1] == "layers.199.weight"
    assert flow.units_in_words(looks()) == "act.1 60% dead"
