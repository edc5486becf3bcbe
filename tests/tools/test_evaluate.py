"""Evaluate through the tool: other data, slices, pictures."""

import pytest

CUSTOMERS = [
    {
        "plan": "basic" if number % 3 else "pro",
        "fee": number % 17,
        "left": "yes" if number % 3 and number % 17 < 9 else "no",
    }
    for number in range(300)
]


@pytest.fixture
def trained(call):
    data = call("prepare_data", rows=CUSTOMERS, target="left")["data"]
    model = call("build_model", data=data)["model"]
    run = call("train", model=model, train_loader=data, epochs=20, wait_seconds=25)["run"]
    assert call("get_run", run=run, wait_seconds=25)["state"] == "completed"
    return run


def test_a_score_on_rows_that_were_trained_on_says_so(call, trained):
    honest = call("evaluate", run=trained, slices=["plan"])
    assert honest["metrics"]["accuracy"] > honest["baseline"]["value"]
    groups = honest["details"]["slices"][0]["groups"]
    assert sum(group["rows"] for group in groups) == honest["rows"]
    assert {group["value"].strip('"') for group in groups} == {"basic", "pro"}
    other = call("prepare_data", rows=CUSTOMERS, target="left", seed=7)["data"]
    flattering = call("evaluate", run=trained, data=other)
    assert "were trained on" in flattering["summary"]
    assert "were trained on" not in honest["summary"]


def test_a_picture_of_the_scores_is_drawn_when_asked_for(call, services, trained):
    picture = call("evaluate", run=trained, plot="calibration")["picture"]
    assert (services.workspace.root / picture).read_bytes().startswith(b"\x89PNG")


def test_slices_by_a_column_that_is_not_there_name_the_nearest(refuse, trained):
    error = refuse("evaluate", run=trained, slices=["plam"])
    assert error["argument"] == "slices/0"
    assert "plan" in error["hint"]
