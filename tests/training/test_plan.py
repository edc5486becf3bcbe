import math
from dataclasses import replace

import pytest
import torch

from tests.training.jobs import diabetes, digits, network, spec, weights
from trainwell.contract.errors import TrainwellError
from trainwell.training import plan as planning
from trainwell.training.device import read_facts
from trainwell.training.plan import plan

TRAIN, _ = digits()


def test_a_plan_says_what_the_run_will_do():
    told = plan(spec(epochs=3, batch_size=64, accumulate=2), network(), TRAIN)

    assert (told["batch_size"], told["micro_batch"]) == (64, 32)
    assert (told["steps_per_epoch"], told["total_steps"]) == (10, 30)
    assert (told["device"], told["precision"]) == (read_facts().kind, "fp32")
    assert told["seconds_per_epoch"] > 0
    assert told["memory_bytes"] > 4 * 4 * sum(p.numel() for p in network().parameters())
    assert told["expected_initial_loss"] == pytest.approx(math.log(10))
    assert told["measured_initial_loss"] == pytest.approx(math.log(10), rel=0.2)
    assert told["decisions"][0].startswith("batch_size 64: ")


def test_planning_changes_neither_the_network_nor_the_random_numbers():
    module = network(dropout=0.5, batch_norm=True)
    before, state = weights(module), torch.get_rng_state()
    plan(spec(), module, TRAIN)

    assert torch.equal(weights(module), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_standardised_target_starts_near_one():
    told = plan(spec(task="regression", classes=0, features=10), network(10, 1), diabetes()[0])

    assert told["expected_initial_loss"] == 1.0
    assert told["measured_initial_loss"] == pytest.approx(1.0, abs=0.5)


def test_a_network_that_starts_with_nan_is_told_as_null():
    module = network()
    with torch.no_grad():
        module[0].weight.fill_(math.nan)

    assert plan(spec(), module, TRAIN)["measured_initial_loss"] is None


@pytest.mark.parametrize(("free", "argument"), [(1000, "model"), (400_000, "accumulate")])
def test_a_training_that_does_not_fit_is_refused_with_what_would_help(monkeypatch, free, argument):
    facts = replace(read_facts(), memory_free=free)
    monkeypatch.setattr(planning, "read_facts", lambda: facts)
    with pytest.raises(TrainwellError) as error:
        plan(spec(batch_size=512), network(), digits()[0])

    assert (error.value.code, error.value.argument) == ("not_enough_memory", argument)
