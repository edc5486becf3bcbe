import pytest
import torch

from tests.training.jobs import diabetes, digits, job, spec
from trainwell import architectures
from trainwell.contract.specs import Shapes, TensorSpec
from trainwell.training.fit import fit
from trainwell.training.seeding import seed_everything
from trainwell.training.together import Member, fits, train_together


def perceptron(features, outputs, task="classification", seed=0, **options):
    shapes = Shapes(inputs=(TensorSpec(name="x", shape=(features,)),), num_outputs=outputs, task=task)
    seed_everything(seed)
    return architectures.build("mlp", {"hidden_dims": [24], "dropout": 0.0, **options}, shapes)


def check_as_alone(tmp_path, task, features, outputs, parts, **options):
    asked = [(0.004, 0.0, 0), (0.001, 0.3, 1)]
    every = spec(task, outputs, features, epochs=4, precision="fp32")
    members = [Member(perceptron(features, outputs, task, seed, **options), lr, wd) for lr, wd, seed in asked]
    together = train_together(every, members, *parts)

    for number, (lr, wd, seed) in enumerate(asked):
        own = spec(task, outputs, features, epochs=4, precision="fp32", lr=lr, weight_decay=wd)
        alone = fit(job(tmp_path / str(number), perceptron(features, outputs, task, seed, **options), parts, own))
        assert together[number].score == pytest.approx(alone.best_score, abs=0.006)
        assert together[number].loss == pytest.approx(alone.best_metrics["val_loss"], rel=2e-3)
        assert together[number].epoch == alone.best_epoch


@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_that_are_trained_together_learn_what_each_learns_alone(batch_norm, tmp_path):
    check_as_alone(tmp_path, "classification", 64, 10, digits(), batch_norm=batch_norm)


def test_values_are_learnt_together_as_alone(tmp_path):
    check_as_alone(tmp_path, "regression", 10, 1, diabetes(), batch_norm=False)


def test_each_member_has_a_dropout_of_its_own():
    every = spec(epochs=6)
    members = [Member(perceptron(64, 10, dropout=share), 0.004, 0.0) for share in (0.1, 0.9)]
    gentle, harsh = train_together(every, members, *digits())
    assert gentle.score > harsh.score + 0.05


def test_a_member_that_diverges_leaves_the_others_alone():
    every = spec(epochs=3, grad_clip=0.0)
    members = [Member(perceptron(64, 10), rate, 0.0) for rate in (0.004, 1e30)]
    good, bad = train_together(every, members, *digits())
    alone = train_together(every, members[:1], *digits())[0]
    assert bad.score is None
    assert good.loss == pytest.approx(alone.loss, rel=1e-3)


def test_only_plain_perceptrons_with_a_plain_recipe_fit():
    config = spec().config
    assert fits(perceptron(64, 10), config)
    assert not fits(perceptron(64, 10), config.model_copy(update={"optimizer": "sgd"}))
    assert not fits(torch.nn.Sequential(torch.nn.Linear(2, 2)), config)
