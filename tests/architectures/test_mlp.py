"""The family for tables: its automatic choices, and that they are good enough to be the answer."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)


def shapes(*shape, outputs=2, rows=None):
    return Shapes(inputs=(TensorSpec(name="x", shape=shape),), num_outputs=outputs, rows=rows)


def hidden_dims(*shape, **known):
    return architectures.resolve("mlp", {}, shapes(*shape, **known))["hidden_dims"]


def test_widths_follow_the_data_when_they_are_left_out():
    assert hidden_dims(64, outputs=10, rows=1168) == [256, 128]
    assert hidden_dims(1, 8, 8, outputs=10) == [256, 128]
    assert hidden_dims(30, rows=370) == [128, 64]
    assert hidden_dims(4, outputs=3, rows=97) == [64, 32]
    assert hidden_dims(20, rows=8_000) == [256, 128]
    assert hidden_dims(2_000, rows=60) == [128, 64]
    assert hidden_dims(10, outputs=1_000) == [512, 256]


def test_every_automatic_choice_is_told_and_a_given_one_is_not():
    _, told = architectures.settle("mlp", {}, shapes(64, outputs=10))
    given = {"hidden_dims": [8], "dropout": 0, "batch_norm": False, "init": "he"}
    options, silent = architectures.settle("mlp", given, shapes(64, outputs=10))

    assert [note.split()[0] for note in told] == ["hidden_dims", "batch_norm", "dropout", "init"]
    assert silent == []
    assert options == {**given, "dropout": 0.0, "activation": "relu"}


def test_selu_comes_with_what_keeps_its_scale():
    options = architectures.resolve("mlp", {"activation": "selu"}, shapes(30))
    _, *layers = architectures.build("mlp", options, shapes(30))
    kinds = {type(layer) for layer in layers}

    assert options["init"] == "lecun"
    assert kinds == {nn.Linear, nn.SELU, nn.AlphaDropout}


def test_no_hidden_layers_make_a_linear_model():
    _, *layers = architectures.build("mlp", {"hidden_dims": []}, shapes(30))

    assert [type(layer) for layer in layers] == [nn.Linear]


@pytest.mark.parametrize(
    ("option", "value", "at"),
    [
        ("hidden_dims", [64, 0], "options/hidden_dims/1"),
        ("hidden_dims", [64, -3], "options/hidden_dims/1"),
        ("hidden_dims", ["64"], "options/hidden_dims/0"),
        ("hidden_dims", [1.5], "options/hidden_dims/0"),
        ("hidden_dims", [True], "options/hidden_dims/0"),
        ("hidden_dims", 64, "options/hidden_dims"),
        ("hidden_dims", [2] * 65, "options/hidden_dims"),
        ("dropout", 1.0, "options/dropout"),
        ("dropout", float("nan"), "options/dropout"),
        ("batch_norm", "yes", "options/batch_norm"),
        ("activation", "__class__", "options/activation"),
        ("init", None, "options/init"),
    ],
)
def test_a_value_outside_its_limits_is_refused_by_its_path(option, value, at):
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve("mlp", {option: value}, shapes(30))

    assert caught.value.code == "invalid_option"
    assert caught.value.argument == at


def learn(bunch, *, epochs=40, batch_size=64, lr=2e-3, seed=0):
    """The plain recipe: standardised inputs, AdamW, one cycle; accuracy on held-out rows."""
    train_x, test_x, train_y, test_y = train_test_split(
        bunch.data, bunch.target, test_size=0.2, random_state=seed, stratify=bunch.target
    )
    mean, std = train_x.mean(0), train_x.std(0)
    scaled = [torch.tensor((x - mean) / np.where(std > 0, std, 1), dtype=torch.float32) for x in (train_x, test_x)]
    x, y = scaled[0], torch.tensor(train_y)
    torch.manual_seed(seed)
    module = architectures.build("mlp", {}, shapes(x.shape[1], outputs=len(set(bunch.target)), rows=len(x)))
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, fused=True)
    steps = len(x) // batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x))[: steps * batch_size].split(batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return float((module.eval()(scaled[1]).argmax(1) == torch.tensor(test_y)).float().mean())


def test_the_defaults_read_digits():
    assert np.mean([learn(load_digits(), seed=seed) for seed in range(3)]) >= 0.975


def test_the_defaults_tell_breast_cancer():
    assert np.mean([learn(load_breast_cancer(), batch_size=32, seed=seed) for seed in range(3)]) >= 0.965
