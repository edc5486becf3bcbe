import math

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.utils.class_weight import compute_class_weight

from trainwell.training.losses import Classification, Values, balanced_weights

LOGITS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(1))


def tasks():
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    return [
        (Classification(4, None, 0.0), LOGITS, CLASSES),
        (Classification(4, weights, 0.1), LOGITS, CLASSES),
        (Values(np.zeros(1, np.float32), 1.0), LOGITS[:, :1], LOGITS[:, 1].clone()),
    ]


@pytest.mark.parametrize(("task", "output", "target"), tasks(), ids=["plain", "weighted", "regression"])
def test_parts_of_any_size_add_up_to_the_mean_of_the_batch(task, output, target):
    whole = task.loss(output, target)
    divisor = task.divisor(target)
    parts = [task.loss_sum(output[a:b], target[a:b]) / divisor for a, b in ((0, 7), (7, 30), (30, 50))]

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


def test_a_network_that_knows_nothing_has_the_expected_loss():
    task = Classification(4, None, 0.0)

    assert task.expected_initial_loss() == pytest.approx(math.log(4))
    assert task.loss(torch.zeros(50, 4), CLASSES).item() == pytest.approx(math.log(4))
