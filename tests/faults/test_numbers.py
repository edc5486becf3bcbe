"""Row 26: a batch that is not finite at a chosen step."""

import math

import numpy as np
import pytest
from safetensors.numpy import load_file


@pytest.mark.parametrize("step", [1, 25])
def test_one_poisoned_batch_costs_no_weight_its_value(place, step):
    place.faults({"fault": "save_often"}, {"fault": "poison", "step": step, "attempts": [1]})
    run = place.train(epochs=6)
    row = place.ended(run)
    assert row["state"] == "completed"
    assert math.isfinite(row["best_score"])
    for folder in [*place.checkpoints(run), *place.checkpoints(run, "best-????????")]:
        for tensor in load_file(folder / "weights.safetensors").values():
            assert tensor.dtype.kind != "f" or bool(np.isfinite(tensor).all()), folder
    assert [one.cause for one in place.attempts(run)] == ["non_finite_loss", None]
    assert place.attempts(run)[0].changes["lr"] < place.runs.get(run)["arguments"].get("lr", 1.0)
    told = place.call("get_run", run=run)["findings"]
    assert [one["severity"] for one in told if one["code"] == "non_finite_loss"] == ["warning"]
    place.sound(run)


def test_a_run_that_is_poisoned_in_every_attempt_fails_with_its_cause(place):
    place.faults({"fault": "save_often"}, {"fault": "poison", "step": 25})
    run = place.train(epochs=6)
    row = place.ended(run)
    assert (row["state"], row["cause"]) == ("failed", "non_finite_loss")
    first, second, third = (one.changes["lr"] for one in place.attempts(run))
    assert first > second >= third
    assert place.call("evaluate", run=run)["metrics"]["accuracy"] > 0.1
    place.sound(run)
