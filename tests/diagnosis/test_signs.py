"""Faults that only single steps and the network itself show, in real trainings; and healthy ones that look odd."""

from dataclasses import replace

import pytest
from torch import nn

from tests.diagnosis.watched_runs import changed, perceptron, trained
from trainwell.contract.trace import EpochRecord, SignalRecord, Trace
from trainwell.diagnosis import diagnose

RUNS = {
    "dead_units": lambda: trained(changed(perceptron(), lambda net: net[0].bias.fill_(-50))),
    "vanishing_gradients": lambda: trained(perceptron(nn.Sigmoid, depth=8), lr=1e-3),
    "bad_initialisation": lambda: trained(
        changed(perceptron(nn.Tanh), lambda net: [layer.weight.mul_(60) for layer in net[::2]]), lr=5e-4
    ),
    "saturated_units": lambda: trained(
        changed(perceptron(nn.Tanh, depth=3), lambda net: [net[i].weight.mul_(80) for i in (0, 2, 4)]), lr=2e-4,
    ),
    "softmax_before_loss": lambda: trained(perceptron().append(nn.Softmax(1))),
    "no_nonlinearity": lambda: trained(
        perceptron(nn.Identity, features=10, outputs=1), task="regression", lr=1e-2
    ),
    "bad_output_activation": lambda: trained(
        perceptron(features=10, outputs=1).append(nn.ReLU()), task="regression", lr=5e-3
    ),
    "frozen_parameters": lambda: trained(
        changed(perceptron(width=16), lambda net: [net[i].requires_grad_(False) for i in (0, 2)]), lr=2e-4, epochs=8
    ),
    "learning_rate_too_low": lambda: trained(perceptron(), lr=1e-6),
    "learning_rate_too_high": lambda: trained(perceptron(), lr=5.0),
    "weight_decay_too_strong": lambda: trained(perceptron(), optimizer="sgd", lr=0.05, weight_decay=0.4),
    "clip_too_small": lambda: trained(perceptron(), optimizer="sgd", lr=0.02, grad_clip=0.001),
}  # fmt: skip
ALIKE = {
    "alike": lambda: trained(changed(perceptron(), lambda net: [layer.weight.fill_(0.05) for layer in net[::2]])),
}
FINE = {
    "plain": lambda: trained(perceptron(), lr=5e-3),
    "frozen on purpose": lambda: trained(
        changed(perceptron(width=128), lambda net: net[0].requires_grad_(False)), lr=1e-2
    ),
    "a last layer of zeros": lambda: trained(changed(perceptron(), lambda net: net[-1].weight.zero_()), lr=5e-3),
    "sigmoid": lambda: trained(perceptron(nn.Sigmoid, depth=1, width=64), lr=3e-2, epochs=20),
    "small batches": lambda: trained(perceptron(), lr=3e-3, batch_size=8),
    "large inputs": lambda: trained(changed(perceptron(), lambda net: net[0].weight.mul_(6)), lr=5e-3),
    "linear on purpose": lambda: trained(nn.Sequential(nn.Linear(64, 10)), lr=1e-2),
}


@pytest.mark.parametrize("code", RUNS)
def test_the_cause_of_a_spoiled_network_is_named_first_with_its_evidence(code):
    first = diagnose(RUNS[code]())[0]

    assert first.code == code
    assert first.cost
    assert first.fixes
    assert {"steps", "step", "epochs"} & set(first.evidence)


def test_units_that_begin_alike_are_a_bad_start():
    first = diagnose(ALIKE["alike"]())[0]

    assert first.code == "bad_initialisation"
    assert first.evidence["alike"].startswith("0.weight")


def test_a_handful_of_steps_is_told_as_such():
    first = diagnose(trained(perceptron(), lr=1e-3, epochs=3, batch_size=300))[0]

    assert "too_few_epochs" in {first.code, *first.also}


@pytest.mark.parametrize("name", FINE)
def test_an_odd_network_that_learns_well_gets_a_clean_bill(name):
    assert diagnose(FINE[name]()) == []


def test_one_cause_is_not_told_as_five_symptoms():
    (finding,) = diagnose(RUNS["dead_units"]())

    assert {"plateau", "underfitting"} & set(finding.also)


def looks(**fields):
    """Eight first looks; each field gives a value by step."""
    return tuple(
        SignalRecord(step, 1, lr=0.01, **{name: value(step) for name, value in fields.items()}) for step in range(8)
    )


def test_gradients_that_add_up_and_losses_that_are_raised_are_told_apart():
    poor = RUNS["learning_rate_too_low"]()
    config = {"lr": 0.01, "optimizer": "sgd"}
    rising = tuple(replace(one, train_loss=3.0 + one.epoch, update_ratio=1e-3, lr=0.01) for one in poor.epochs)
    common = {"update_ratios": lambda _: {"w": 1e-3}, "grad_norms": lambda _: {"w": 1.0}}
    raised = looks(loss=lambda step: 2.3 + 0.1 * step, grad_norm=lambda _: 1.0, **common)
    added = looks(loss=lambda _: 2.3, grad_norm=lambda step: 1.0 + step, **common)

    def first(signals, epochs):
        return diagnose(Trace(epochs=epochs, signals=signals, config=config, data=poor.data))[0].code

    assert first(raised, rising) == "wrong_sign"
    still = tuple(replace(one, update_ratio=1e-3, lr=0.01) for one in poor.epochs)
    assert first(added, still) == "missing_zero_grad"


FACTS = {
    "loss_output_mismatch": {"loss_name": "nll", "output_min": -2.0, "output_max": 3.0},
    "wrong_output_size": {
        "loss_name": "cross_entropy", "target_whole": True, "target_min": 1, "target_max": 10, "output_shape": [10],
    },
    "target_shape": {"broadcasts": True, "output_shape": [1], "target_shape": []},
    "missing_zero_grad": {"keeps_gradients": True},
    "parameters_not_optimised": {"not_optimised": ["head.weight"]},
}  # fmt: skip


@pytest.mark.parametrize("code", FACTS)
def test_what_a_network_shows_before_it_learns_is_enough(code):
    (finding,) = diagnose(Trace(facts=FACTS[code]))

    assert finding.code == code
    assert finding.severity == "critical"


SIGMOID = {"output_activation": "sigmoid", "output_min": 0.4, "output_max": 0.6, "output_shape": [1]}
HELD_BACK = {
    "a softmax over one unit": {
        "output_activation": "softmax", "output_min": 1.0, "output_max": 1.0, "output_shape": [1], "loss_name": "bce",
    },
    "a sigmoid before cross entropy": SIGMOID | {"output_shape": [10], "loss_name": "cross_entropy"},
    "a sigmoid for targets beyond": SIGMOID | {"loss_name": "mse", "target_min": 0.0, "target_max": 21.0},
    "a tanh for targets beyond": {
        "output_activation": "tanh", "output_min": -0.9, "output_max": 0.9, "loss_name": "mae", "target_min": -3.0,
        "target_max": 3.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("facts", HELD_BACK.values(), ids=HELD_BACK)
def test_an_activation_that_cannot_reach_the_targets_is_known_before_the_first_step(facts):
    assert [finding.code for finding in diagnose(Trace(facts=facts))] == ["bad_output_activation"]


@pytest.mark.parametrize("most", [1.0, 1.05])
def test_a_sigmoid_for_targets_within_its_bounds_is_well(most):
    facts = SIGMOID | {"loss_name": "mse", "target_min": 0.0, "target_max": most}

    assert diagnose(Trace(facts=facts)) == []


def test_squares_of_marks_are_a_fault_where_the_fit_is_poor():
    facts = SIGMOID | {"loss_name": "mae", "target_min": 0.0, "target_max": 1.0, "target_marks": True}
    stuck = tuple(EpochRecord(epoch, 20 * epoch, train_loss=0.5, train_accuracy=0.5) for epoch in range(1, 11))
    learnt = tuple(replace(one, train_loss=0.5 / one.epoch, train_accuracy=0.97) for one in stuck)

    assert diagnose(Trace(facts=facts, epochs=stuck))[0].code == "loss_output_mismatch"
    assert diagnose(Trace(facts=facts, epochs=learnt)) == []


def test_half_precision_that_collapses_and_weights_that_round_are_told():
    poor = RUNS["learning_rate_too_low"]()
    ordinary = tuple(replace(one, lr=0.002) for one in poor.epochs)
    fp16 = tuple(replace(one, loss_scale=0.5, skipped_steps=9, step=10 * one.epoch) for one in ordinary)
    collapsed = replace(poor, epochs=fp16, config=poor.config | {"precision": "fp16", "lr": 0.002})
    rounding = replace(
        poor, epochs=ordinary, config=poor.config | {"lr": 0.002}, facts=poor.facts | {"weight_types": ["bfloat16"]}
    )

    assert diagnose(collapsed)[0].code == "fp16_overflow"
    assert diagnose(rounding)[0].code == "precision_underflow"


def test_a_deep_network_that_is_thrown_off_by_its_first_steps_needs_a_warm_up():
    stuck = tuple(EpochRecord(epoch, 15 * epoch, train_loss=1.3, val_accuracy=0.4) for epoch in range(1, 13))
    thrown = looks(
        loss=lambda step: 1.6 if step == 3 else 1.5, update_ratios=lambda step: {"w": 0.07 if step == 0 else 0.01}
    )
    deep = Trace(
        epochs=stuck, signals=thrown, config={"optimizer": "adamw", "lr": 0.01},
        data={"task": "classification", "num_classes": 4}, facts={"weight_layers": 27, "batch_norms": 0},
    )  # fmt: skip

    assert diagnose(deep)[0].code == "missing_warmup"
    normed = replace(deep, facts={"weight_layers": 27, "batch_norms": 9})
    falls = replace(deep, signals=looks(loss=lambda step: 1.5 - 0.1 * step, update_ratios=lambda _: {"w": 0.07}))
    assert "missing_warmup" not in [finding.code for finding in (*diagnose(normed), *diagnose(falls))]


def test_too_few_outputs_say_more_than_the_crash_that_came_of_them():
    crash = Trace(error="IndexError: Target 3 is out of bounds.", facts={"output_shape": [3]})

    assert [(one.code, one.also) for one in diagnose(crash)] == [("wrong_output_size", ("target_out_of_range",))]
    assert [one.code for one in diagnose(replace(crash, facts={}))] == ["target_out_of_range"]


def test_outputs_that_are_no_numbers_before_the_first_step_speak_of_the_weights_where_inputs_are_numbers():
    text = "RuntimeError: all elements of input should be between 0 and 1"
    overflown = Trace(error=text, facts={"output_min": float("nan"), "inputs_finite": True})

    assert [(one.code, one.also) for one in diagnose(overflown)] == [
        ("bad_initialisation", ("probabilities_expected",))
    ]
    given = replace(overflown, facts=overflown.facts | {"inputs_finite": False})
    assert [one.code for one in diagnose(given)] == ["probabilities_expected"]


def test_layers_that_are_all_one_unit_are_told_in_a_middling_run_and_a_few_of_many_are_not():
    middling = tuple(EpochRecord(epoch, 20 * epoch, train_loss=0.3, val_r2=0.65) for epoch in range(1, 13))
    facts = {"weight_layers": 3, "symmetric": ["0.weight", "2.weight"], "loss_name": "mse"}
    constant = Trace(epochs=middling, facts=facts, data={"task": "regression", "chance_loss": 1.0})

    assert diagnose(constant)[0].code == "bad_initialisation"
    assert diagnose(replace(constant, facts=facts | {"weight_layers": 12})) == []


def test_values_far_from_zero_are_no_sign_of_weights_that_are_too_large():
    poor = tuple(EpochRecord(epoch, 20 * epoch, train_loss=0.9, val_r2=0.1) for epoch in range(1, 13))
    facts = {"loss0": 17.0, "loss_name": "mse", "data.target_mean": 4.0}
    far = Trace(epochs=poor, facts=facts, data={"task": "regression", "chance_loss": 1.0})

    assert "bad_initialisation" not in [one.code for one in diagnose(far)]
    near = replace(far, facts=facts | {"data.target_mean": 0.0})
    assert diagnose(near)[0].code == "bad_initialisation"
