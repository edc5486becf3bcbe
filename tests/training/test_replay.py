"""A loss that is not finite names its first bad step, layer, tensor, rows and cause."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.jobs import Arrays, diabetes, digits, job, network, spec
from trainwell.data.parts import SplitArrays
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.fit import fit
from trainwell.training.step import Stepper

DIGITS = digits()
SOURCE = 5000  # what the numbers of the rows in the source begin with


def facts_of(tmp_path, module, parts, **config):
    run = spec(**{"epochs": 3, "scheduler": "constant", "precision": "fp32", "grad_clip": 0, **config})
    with pytest.raises(NonFiniteLoss) as caught:
        fit(job(tmp_path, module, parts, run))
    return caught.value.facts


def with_source(train):
    return SplitArrays(inputs=train.inputs, target=train.target, rows=np.arange(SOURCE, SOURCE + len(train.target)))


def spoilt(train, row, value):
    inputs = tuple(each.copy() for each in train.inputs)
    inputs[0][row, 5] = value
    return with_source(Arrays(inputs, train.target))


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_row_that_is_not_a_number_is_named_with_the_layer_that_took_it(tmp_path, value):
    facts = facts_of(tmp_path, network(), (spoilt(DIGITS[0], 123, value), DIGITS[1]))

    assert (facts["cause"], facts["rows"], facts["bad_rows"]) == ("data", [SOURCE + 123], 1)
    assert (facts["layer"], facts["tensor"], facts["inputs_finite"]) == ("0", "input", False)
    assert (facts["split"], facts["reproduced"]) == ("train", True)
    assert facts["batch_rows"] == 64
    assert all(math.isfinite(norm) for norm in facts["grad_norms"])


def test_a_row_of_extreme_size_is_told_from_weights_that_exploded(tmp_path):
    train, validation = diabetes()
    run = {"task": "regression", "classes": 0, "features": 10, "lr": 1e-4}
    facts = facts_of(tmp_path, network(10, 1), (spoilt(train, 7, 3e38), validation), **run)

    assert (facts["cause"], facts["rows"], facts["inputs_finite"]) == ("data", [SOURCE + 7], True)
    assert facts["largest_input"] == pytest.approx(3e38)


def test_a_target_that_is_not_a_number_is_named(tmp_path):
    train, validation = diabetes()
    target = train.target.copy()
    target[42] = math.nan
    module = network(10, 1)
    run = {"task": "regression", "classes": 0, "features": 10}
    facts = facts_of(tmp_path, module, (with_source(Arrays(train.inputs, target)), validation), **run)

    assert (facts["cause"], facts["rows"]) == ("data", [SOURCE + 42])
    assert (facts["layer"], facts["tensor"], facts["target_finite"]) == ("loss", "target", False)


def test_a_rate_that_drives_the_weights_off_is_named_as_the_cause(tmp_path):
    train, validation = diabetes()
    run = {"task": "regression", "classes": 0, "features": 10, "lr": 1.0, "optimizer": "sgd"}
    facts = facts_of(tmp_path, network(10, 1, width=256), (train, validation), **run)

    assert (facts["cause"], facts["inputs_finite"], facts["target_finite"]) == ("learning_rate", True, True)
    assert facts["tensor"] in {"activation", "gradient", "loss"}
    assert facts["step"] > 0
    assert facts["largest_weight"] > 10
    assert max(facts["grad_norms"]) > 10 * facts["grad_norms"][0]
    assert len(facts["grad_norms"]) <= 10


class Root(nn.Module):
    """The gradient of a root at zero is infinite, its value is not."""

    def forward(self, x):
        return (x * 0).abs().sqrt() + x


def test_a_gradient_that_is_not_finite_is_found_where_it_begins(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 16), Root(), nn.Linear(16, 10))
    facts = facts_of(tmp_path, module, DIGITS)

    assert (facts["what"], facts["step"]) == ("gradient", 0)
    assert (facts["layer"], facts["tensor"]) == ("0", "gradient")
    assert facts["cause"] == "unclear"


def test_half_precision_that_overflows_is_told_by_making_the_step_in_full_precision(tmp_path, monkeypatch):
    made = Stepper.__init__

    def in_half(self, *arguments, **options):
        made(self, *arguments, **options)
        self.autocast = torch.autocast("cpu", torch.float16)

    monkeypatch.setattr(Stepper, "__init__", in_half)
    module = network()
    with torch.no_grad():
        module[0].weight.mul_(3e5)
        module[2].weight.mul_(1e-6)
    facts = facts_of(tmp_path, module, DIGITS)

    assert (facts["cause"], facts["tensor"], facts["layer"]) == ("precision", "activation", "0")


def test_a_validation_row_is_named_in_its_own_part(tmp_path):
    inputs = (DIGITS[1].inputs[0].copy(),)
    inputs[0][11, 0] = math.nan
    facts = facts_of(tmp_path, network(), (DIGITS[0], Arrays(inputs, DIGITS[1].target)))

    assert (facts["split"], facts["rows"], facts["what"]) == ("validation", [11], "val_loss")
    assert facts["cause"] == "data"


def test_the_network_is_left_as_it_was(tmp_path):
    module = network(batch_norm=True)
    first = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    facts = facts_of(tmp_path, module, (spoilt(DIGITS[0], 0, math.inf), DIGITS[1]))

    assert facts["cause"] == "data"
    assert all(torch.equal(first[name], tensor) for name, tensor in module.state_dict().items())
    assert not any(layer._forward_hooks for layer in module.modules())
