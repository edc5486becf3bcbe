"""Networks for tables, of one's own layers and of copies, from files on disk to raw rows."""

import numpy as np
import polars as pl
import pytest

RESIDUAL = {"residual": [{"type": "Linear", "out_features": 64}, "BatchNorm1d", "ReLU"]}
STACK = [
    {"type": "Linear", "out_features": 64},
    {"repeat": 2, "layers": [RESIDUAL]},
    {"branch": [[{"type": "Linear", "out_features": 32}, "ReLU"], []], "join": "concat"},
]


@pytest.fixture
def waves(services):
    """3,600 rows of three columns, whose class goes up and down along the first: no straight line tells it."""
    random = np.random.default_rng(0)
    x = random.normal(size=(3600, 3))
    kind = np.where(np.sin(4 * x[:, 0]) + 0.3 * x[:, 1] > 0, "up", "down")
    frame = pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(kind=pl.Series(kind))
    frame.write_csv(services.workspace.root / "waves.csv")
    return "waves.csv"


def test_auto_takes_tabular_for_a_table_of_some_thousand_rows_and_it_learns_what_goes_up_and_down(
    call, refuse, trained, waves
):
    data = call("prepare_data", source=waves, target="kind")["data"]
    assert call("build_model", data=data)["architecture"] == "tabular"
    run = trained(data, "tabular", epochs=15)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
    rows = [{"a": 0.4, "b": 1, "c": 0}, {"a": -0.4, "b": -1, "c": 0}]
    assert call("predict", run=run, rows=rows)["predictions"] == ["up", "down"]
    refused = refuse("build_model", data=data, architecture="tabular", options={"frequencies": -1})
    assert refused["argument"] == "options/frequencies"


def test_a_killed_training_of_tabular_goes_on(call, resumes):
    data = call("prepare_data", source="digits")["data"]
    run = resumes(data, "tabular", {"hidden_dims": [64]}, epochs=40, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9


def test_a_stack_of_ones_own_learns_digits(call, refuse, trained):
    data = call("prepare_data", source="digits")["data"]
    built = call("build_model", data=data, layers=STACK)
    assert built["architecture"] == "layers"
    run = trained(data, "layers", {"layers": STACK}, epochs=20)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.93
    refused = refuse("build_model", data=data, layers=[{"residual": [{"type": "Conv2d", "out_channels": 3}]}])
    assert refused["argument"] == "layers/0/residual/0/kernel_size"


def test_a_killed_training_of_a_stack_goes_on(call, resumes):
    data = call("prepare_data", source="digits")["data"]
    run = resumes(data, "layers", {"layers": STACK}, epochs=40, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9


def test_an_autoencoder_gives_digits_again_through_a_quarter_of_their_values(call, refuse, trained):
    data = call("prepare_data", source="digits", task="reconstruction")["data"]
    assert call("build_model", data=data)["architecture"] == "autoencoder"
    run = trained(data, "autoencoder", {"bottleneck": 16}, epochs=40)
    assert call("evaluate", run=run)["metrics"]["r2"] > 0.7
    classes = call("prepare_data", source="digits")["data"]
    refused = refuse("build_model", data=classes, architecture="autoencoder")
    assert (refused["code"], refused["next_call"]["tool"]) == ("task_does_not_fit", "prepare_data")


def test_a_killed_training_of_an_autoencoder_goes_on(call, resumes):
    data = call("prepare_data", source="digits", task="reconstruction")["data"]
    run = resumes(data, "autoencoder", {"bottleneck": 16}, epochs=40, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["r2"] > 0.7
