"""The check before training: what a model costs, and whether it works at all."""

import math

import pytest
import torch

from trainwell.architectures import check
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
DIGITS = Shapes(inputs=(TensorSpec(name="x", shape=(64,)),), num_outputs=10)
TEN_MILLION = 10_000_000


def checked(name, options, shapes=DIGITS, task="classification"):
    return check.check_model(name, options, shapes, task, max_parameters=TEN_MILLION)


def refusal(name, options, shapes=DIGITS):
    with pytest.raises(TrainwellError) as caught:
        checked(name, options, shapes)
    return caught.value


def test_the_numbers_are_those_of_the_arithmetic():
    report = checked("mlp", {"hidden_dims": [256, 128], "batch_norm": False, "dropout": 0})
    products = 64 * 256 + 256 * 128 + 128 * 10
    biases = 256 + 128 + 10

    assert report["parameters"] == report["trainable"] == products + biases
    assert report["flops_per_row"] == 2 * (3 * products - 64 * 256)  # no gradient is due for the input
    assert report["weights_bytes"] == 4 * (products + biases)
    assert report["training_bytes_fixed"] == 16 * (products + biases)
    assert [row["output_shape"] for row in report["layers"]] == [[256], [256], [128], [128], [10]]
    assert sum(row["parameters"] for row in report["layers"]) == report["parameters"]
    assert 4 * (64 + 256 + 128) <= report["training_bytes_per_row"] <= 4 * 4 * (64 + 256 + 128)


@pytest.mark.parametrize("activation", ["relu", "gelu", "selu", "tanh", "sigmoid", "softplus", "mish", "elu"])
def test_a_fresh_network_starts_near_ln_k(activation):
    report = checked("mlp", {"activation": activation})

    assert report["checks"]["expected_loss"] == pytest.approx(math.log(10), abs=1e-4)
    assert report["checks"]["loss_at_initialisation"] == pytest.approx(math.log(10), rel=0.05)


def test_regression_starts_at_the_variance_of_its_target():
    one = Shapes(inputs=DIGITS.inputs, num_outputs=1)

    assert checked("mlp", {}, one, "regression")["checks"]["loss_at_initialisation"] == pytest.approx(1.0, rel=0.2)


def test_the_options_come_back_complete_with_what_was_chosen():
    report = checked("mlp", {})

    assert report["options"]["hidden_dims"] == [256, 128]
    assert any(note.startswith("hidden_dims") for note in report["notes"])


def test_the_callers_random_state_stays_as_it_was():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    checked("mlp", {})

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"hidden_dims": [1_000_000, 1_000_000]}),
        ("mlp", {"hidden_dims": [10**9] * 64}),
        ("layers", {"layers": [{"type": "Linear", "out_features": 10**9}] * 2}),
        ("layers", {"layers": [{"type": "Unflatten", "unflattened_size": [1, 8, 8]},
                               {"type": "Conv2d", "out_channels": 10**9, "kernel_size": 10**6, "padding": 10**6}]}),
        ("layers", {"layers": [{"type": "Unflatten", "unflattened_size": [1, 8, 8]},
                               {"type": "Conv2d", "out_channels": 10**6, "kernel_size": 1, "padding": 10**5}]}),
    ],
)  # fmt: skip
def test_a_model_beyond_the_limit_is_refused_before_anything_is_allocated(name, options, monkeypatch):
    monkeypatch.setattr(check, "_really", lambda *_: pytest.fail("a real module was built"))

    assert refusal(name, options).code == "model_too_large"


def test_a_model_that_this_machine_cannot_hold_is_refused(monkeypatch):
    class Little:
        available = 1_000_000

    monkeypatch.setattr(check.psutil, "virtual_memory", Little)

    assert refusal("mlp", {"hidden_dims": [1024, 1024]}).code == "not_enough_memory"


def test_a_deep_stack_is_shown_by_its_ends_and_told_when_no_gradient_comes_through():
    report = checked("layers", {"layers": [{"type": "Linear", "out_features": 64}, "Sigmoid"] * 256})

    assert len(report["layers"]) == 20
    assert report["layers_left_out"] == 493
    assert report["layers"][-1]["name"] == "output"
    assert any("0_Linear.weight" in note for note in report["notes"])


def spoilt(change):
    """A family whose modules are built right and then spoilt."""
    honest = check.architectures.build

    def build(*arguments):
        module = honest(*arguments)
        with torch.no_grad():
            change(module)
        return module

    return build


@pytest.mark.parametrize(
    "change",
    [
        lambda module: module.output.weight.fill_(math.inf),
        lambda module: module.register_parameter("unused", torch.nn.Parameter(torch.zeros(3))),
        lambda module: module.append(torch.nn.Flatten(0)),
    ],
    ids=["loss not finite", "parameter without gradient", "wrong output shape"],
)
def test_a_family_that_does_not_work_is_found_out(change, monkeypatch):
    monkeypatch.setattr(check.architectures, "build", spoilt(change))

    assert refusal("mlp", {}).code == "model_check_failed"
