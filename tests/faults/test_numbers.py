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
    assert "non_finite" in str(place.call("get_run", run=run)) or place.attempts(run)[0].cause == "non_finite_loss"
    place.sound(run)


def test_a_run_that_is_poisoned_in_every_attempt_fails_with_its_cause(place):
    place.faults({"fault": "save_often"}, {"fault": "poison", "step": 25})
    run = place.train(epochs=6)
    row = place.ended(run)
    if row["state"] == "failed":
        assert row["cause"] == "non_finite_loss"
        assert len(place.attempts(run)) == 3
    assert math.isfinite(row["best_score"] or 0.0)
    place.sound(run, epochs=False)
