import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, r2_score, recall_score, root_mean_squared_error
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from tests.factories import prepared_data, run_spec, train_config
from trainwell.contract.specs import TensorSpec
from trainwell.training import losses
from trainwell.training.losses import (
    Classification,
    Multilabel,
    Values,
    balanced_weights,
    make_task,
    positive_weights,
)

LOGITS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(1))


SHARES = torch.randn(50, 4, generator=torch.Generator().manual_seed(2)).softmax(1)
LABELS = (SHARES > 0.25).float()
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])
IMAGES = torch.randint(0, 256, (50, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
PIXELS = (torch.tensor([100.0]).view(-1, 1, 1), torch.tensor([50.0]).view(-1, 1, 1))
NAMES = ["plain", "weighted", "regression", "shares", "weighted shares", "labels", "weighted labels", "steps", "images"]


def tasks(weights=WEIGHTS, pixels=PIXELS):
    return [
        (Classification(4, None, 0.0), LOGITS, CLASSES),
        (Classification(4, weights, 0.1), LOGITS, CLASSES),
        (Values(np.zeros(1, np.float32), 1.0), LOGITS[:, :1], LOGITS[:, 1].clone()),
        (Classification(4, None, 0.1), LOGITS, SHARES),
        (Classification(4, weights, 0.0), LOGITS, SHARES),
        (Multilabel(None, 0.1), LOGITS, LABELS),
        (Multilabel(weights, 0.0), LOGITS, LABELS),
        (Values(np.zeros((1, 2, 2), np.float32), None), LOGITS, SHARES.view(50, 2, 2)),
        (Values(np.zeros((1, 1, 2, 2), np.uint8), None, pixels), LOGITS, IMAGES),
    ]


@pytest.mark.parametrize(("task", "output", "target"), tasks(), ids=NAMES)
def test_parts_of_any_size_add_up_to_the_mean_of_the_batch(task, output, target):
    whole = task.loss(output, target)
    parts = [task.loss_sum(output[a:b], target[a:b]) / 50 for a, b in ((0, 7), (7, 30), (30, 50))]

    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize(("task", "output", "target"), tasks()[:2], ids=["plain", "weighted"])
def test_validation_in_pieces_is_the_training_loss_of_all_rows(task, output, target):
    tallies = [task.tally(output[a:b], target[a:b]).tolist() for a, b in ((0, 33), (33, 50))]
    metrics = task.metrics(tallies, 50)

    assert metrics["val_loss"] == pytest.approx(task.loss(output, target).item(), rel=1e-5)
    assert metrics["val_accuracy"] == (output.argmax(1) == target).sum().item() / 50


def test_regression_metrics_are_those_of_scikit_learn_in_original_units():
    true, found = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
    task = Values(true, 12.0)
    tally = task.tally(torch.from_numpy(found)[:, None], torch.from_numpy(true)).tolist()
    metrics = task.metrics([tally], 40)

    assert metrics["val_r2"] == pytest.approx(r2_score(true, found), rel=1e-5)
    assert metrics["val_rmse"] == pytest.approx(12 * root_mean_squared_error(true, found), rel=1e-5)


def test_a_validation_target_that_does_not_vary_has_no_r2():
    task = Values(np.ones(5, np.float32), 1.0)

    assert task.metrics([[2.0, 5.0, 0.0]], 5)["val_r2"] == 0.0


def test_balanced_weights_are_those_of_scikit_learn_and_an_absent_class_counts_one():
    target = np.array([0] * 70 + [1] * 20 + [3] * 10)
    known = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=target)

    assert balanced_weights(target, 4)[[0, 1, 3]] == pytest.approx(known)
    assert balanced_weights(target, 4)[2] == 1.0


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_balanced_accuracy_is_that_of_scikit_learn_over_classes_that_occur(weights):
    task, target = Classification(4, weights, 0.0), CLASSES.clamp(max=2)
    tallies = [task.tally(LOGITS[:30], target[:30]).tolist(), task.tally(LOGITS[30:], target[30:]).tolist()]
    known = recall_score(target, LOGITS.argmax(1), labels=[0, 1, 2], average="macro")

    assert task.metrics(tallies, 50)["val_balanced_accuracy"] == pytest.approx(known)


def test_a_balanced_accuracy_is_as_sure_as_its_rarest_class_lets_it_be():
    even, uneven = np.repeat([0, 1], 50), np.repeat([0, 1], [90, 10])
    weights = torch.ones(2)
    errors = [Classification(2, weights, 0.0, rows).standard_error(0.8, 100) for rows in (even, uneven)]
    accuracy = math.sqrt(0.8 * 0.2 / 100)
    assert Classification(2, None, 0.0, uneven).standard_error(0.8, 100) == accuracy
    assert errors == pytest.approx([accuracy, math.sqrt(0.8 * 0.2 * (1 / 90 + 1 / 10)) / 2])


def test_worker_and_server_agree_on_the_score_also_where_classes_are_too_many_to_be_counted():
    rows = np.zeros(1, np.int64)
    for count, weighting, expected in (
        (100, "balanced", "val_balanced_accuracy"), (101, "balanced", "val_accuracy"), (100, "none", "val_accuracy"),
    ):  # fmt: skip
        run = run_spec(
            data=prepared_data(classes=tuple(map(str, range(count)))), config=train_config(class_weights=weighting)
        )
        task = make_task(run.data, run.config, rows, rows, torch.device("cpu"))
        tallies = [task.tally(torch.eye(1, count), torch.tensor(rows)).tolist()]
        assert task.score_name == run.score_name == expected
        assert task.score_name in task.metrics(tallies, 1)


def test_a_network_that_knows_nothing_has_the_expected_loss():
    task = Classification(4, None, 0.0)

    assert task.expected_initial_loss() == pytest.approx(math.log(4))
    assert task.loss(torch.zeros(50, 4), CLASSES).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_shares_with_class_weights_cost_what_they_cost_in_torch(smoothing):
    task = Classification(4, WEIGHTS, smoothing)
    expected = functional.cross_entropy(LOGITS, SHARES, WEIGHTS, label_smoothing=smoothing)

    torch.testing.assert_close(task.loss(LOGITS, SHARES), expected)
    certain = functional.one_hot(CLASSES, 4).float()
    unweighted = Classification(4, None, smoothing)
    torch.testing.assert_close(unweighted.loss(LOGITS, certain), unweighted.loss(LOGITS, CLASSES))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_labels_cost_the_mean_binary_cross_entropy(weights):
    task = Multilabel(weights, 0.0)
    expected = functional.binary_cross_entropy_with_logits(LOGITS, LABELS, pos_weight=weights)

    torch.testing.assert_close(task.loss(LOGITS, LABELS), expected)


def test_smooth_labels_move_towards_one_half():
    expected = functional.binary_cross_entropy_with_logits(LOGITS, LABELS * 0.8 + 0.1)

    torch.testing.assert_close(Multilabel(None, 0.2).loss(LOGITS, LABELS), expected)


def test_label_metrics_in_pieces_are_those_of_scikit_learn():
    task = Multilabel(None, 0.0)
    tallies = [task.tally(LOGITS[a:b], LABELS[a:b]).tolist() for a, b in ((0, 33), (33, 50))]
    metrics = task.metrics(tallies, 50)

    assert metrics["val_f1"] == pytest.approx(f1_score(LABELS, LOGITS > 0, average="micro"))
    assert metrics["val_loss"] == pytest.approx(task.loss(LOGITS, LABELS).item(), rel=1e-5)
    assert task.metrics([[1.0, 0.0, 0.0]], 5)["val_f1"] == 0.0


def test_several_values_have_the_r2_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(losses, "SPREAD_VALUES", 12)  # three rows at a time
    true = SHARES.view(50, 2, 2)
    task = Values(true.numpy(), None)
    metrics = task.metrics([task.tally(LOGITS, true).tolist()], 50)

    expected = r2_score(SHARES, LOGITS, multioutput="variance_weighted")
    assert metrics["val_r2"] == pytest.approx(expected, rel=1e-5)
    assert metrics["val_loss"] == pytest.approx(((LOGITS - SHARES) ** 2).mean().item(), rel=1e-5)
    assert "val_rmse" not in metrics


def test_images_are_compared_on_the_scale_that_the_network_sees():
    spec = TensorSpec(name="x", shape=(1, 2, 2), dtype="uint8", role="image", mean=(100.0,), std=(50.0,))
    data = prepared_data(task="reconstruction", classes=(), inputs=(spec,), target_shape=(1, 2, 2))
    rows = IMAGES.numpy()
    task = make_task(data, train_config(), rows, rows, torch.device("cpu"))
    perfect = ((IMAGES.float() - 100) / 50).flatten(1)
    metrics = task.metrics([task.tally(perfect, IMAGES).tolist()], 50)

    assert metrics == {"val_loss": 0.0, "val_r2": 1.0}
    assert task.loss(perfect + 0.5, IMAGES).item() == pytest.approx(0.25)


def test_a_loss_that_is_not_finite_stays_so_in_the_metrics():
    broken = LOGITS.clone()
    broken[3, 1] = math.nan
    judges = [
        (Classification(4, None, 0.0), CLASSES),
        (Multilabel(None, 0.0), LABELS),
        (Values(SHARES.numpy(), 2.0), SHARES),
    ]
    for task, target in judges:
        metrics = task.metrics([task.tally(broken, target).tolist()], 50)
        assert math.isnan(metrics["val_loss"])


def test_no_loss_waits_for_the_device():
    """On the meta device there are no values: whatever asks for one raises."""
    away = tuple(part.to("meta") for part in PIXELS)
    judges = [(task, *(one.to("meta") for one in columns)) for task, *columns in tasks(WEIGHTS.to("meta"))]
    judges[-1][0].scale = away
    for task, output, target in judges:
        assert task.loss(output, target).is_meta
        assert task.loss_sum(output, target).is_meta


def test_a_rare_label_weighs_as_much_as_its_absence():
    target = np.zeros((100, 3), np.float32)
    target[:20, 0] = target[:, 1] = 1

    assert positive_weights(target).tolist() == pytest.approx([4.0, 0.01, 100.0])
