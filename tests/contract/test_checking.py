"""A refused call teaches: code, argument, what is allowed, and the corrected call where there is only one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwell.contract.checking import check_arguments
from trainwell.contract.errors import TrainwellError
from trainwell.contract.manifest import load_manifest

MANIFEST = load_manifest()
PAIR = {"model": "m", "train_loader": "d"}
HUGE = "9" * 30


def refusal(tool, arguments):
    with pytest.raises(TrainwellError) as caught:
        check_arguments(MANIFEST.tools[tool], arguments)
    return caught.value


def test_what_is_left_out_gets_the_manifests_default_and_what_is_given_stays():
    checked = check_arguments(MANIFEST.tools["train"], {**PAIR, "early_stopping": 3})

    assert checked == {**MANIFEST.defaults("train"), **PAIR, "early_stopping": 3}
    assert MANIFEST.defaults("train")["early_stopping"] != 3


def test_a_whole_number_written_as_5_0_is_an_integer_as_json_schema_says():
    checked = check_arguments(MANIFEST.tools["train"], {**PAIR, "epochs": 5.0})

    assert (checked["epochs"], type(checked["epochs"])) == (5, int)


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "argument", "corrected"),
    [
        ("train", {**PAIR, "stepz": 1}, "unknown_argument", "stepz", PAIR),
        ("train", {**PAIR, "learning_rate": 0.1}, "unknown_argument", "learning_rate", {**PAIR, "lr": 0.1}),
        ("train", {**PAIR, "n_epochs": 5}, "unknown_argument", "n_epochs", {**PAIR, "epochs": 5}),
        ("train", {**PAIR, "bs": 5}, "unknown_argument", "bs", {**PAIR, "batch_size": 5}),
        ("train", {**PAIR, "epochz": 5}, "unknown_argument", "epochz", {**PAIR, "epochs": 5}),
        ("train", {"model": "m", "dataset": "d"}, "unknown_argument", "dataset", PAIR),
        ("train", {**PAIR, "lr": 0.1, "learning_rate": 0.2}, "unknown_argument", "learning_rate", None),
        ("get_run", {"run_id": "r"}, "unknown_argument", "run_id", {"run": "r"}),
        ("inspect_data", {"file": "a.csv"}, "unknown_argument", "file", {"source": "a.csv"}),
        ("evaluate", {"model": "r"}, "unknown_argument", "model", {"run": "r"}),
        (
            "build_model",
            {"data": "d", "hidden_sizes": [8]},
            "unknown_argument",
            "hidden_sizes",
            {"data": "d", "options": {"hidden_dims": [8]}},
        ),
        ("train", {"model": "m"}, "missing_argument", "train_loader", None),
        ("get_run", {}, "missing_argument", "run", {"run": "latest"}),
        ("train", {**PAIR, "epochs": "7"}, "wrong_type", "epochs", {**PAIR, "epochs": 7}),
        ("train", {**PAIR, "epochs": True}, "wrong_type", "epochs", None),
        ("train", {**PAIR, "epochs": 7.5}, "wrong_type", "epochs", None),
        ("train", {**PAIR, "epochs": None}, "wrong_type", "epochs", PAIR),
        ("train", {**PAIR, "deterministic": "true"}, "wrong_type", "deterministic", {**PAIR, "deterministic": True}),
        ("train", {**PAIR, "tags": "a"}, "wrong_type", "tags", {**PAIR, "tags": ["a"]}),
        ("train", {**PAIR, "model": 3}, "wrong_type", "model", {**PAIR, "model": "3"}),
        ("build_model", {"data": "d", "layers": '["ReLU"]'}, "wrong_type", "layers", {"data": "d", "layers": ["ReLU"]}),
        ("build_model", {"data": "d", "layers": ["ReLU", 3]}, "wrong_type", "layers/1", None),
        ("predict", {"run": "r", "rows": {"a": 1}}, "wrong_type", "rows", {"run": "r", "rows": [{"a": 1}]}),
        ("train", {**PAIR, "epochs": 0}, "out_of_range", "epochs", {**PAIR, "epochs": 1}),
        ("train", {**PAIR, "lr": -1}, "out_of_range", "lr", {**PAIR, "lr": 1e-6}),
        ("train", {**PAIR, "seed": int(HUGE)}, "out_of_range", "seed", None),
        ("train", {**PAIR, "model": ""}, "out_of_range", "model", None),
        ("inspect_data", {"rows": []}, "out_of_range", "rows", None),
        ("train", {**PAIR, "lr": float("nan")}, "not_finite", "lr", PAIR),
        (
            "diagnose",
            {"metrics": {"loss": [1.0, float("inf")]}},
            "not_finite",
            "metrics/loss/1",
            {"metrics": {"loss": [1.0, None]}},
        ),
        ("train", {**PAIR, "optimizer": "Adam"}, "not_one_of", "optimizer", {**PAIR, "optimizer": "adamw"}),
        ("train", {**PAIR, "scheduler": "one_cycle"}, "not_one_of", "scheduler", {**PAIR, "scheduler": "onecycle"}),
        ("train", {**PAIR, "scheduler": "zigzag"}, "not_one_of", "scheduler", None),
        ("train", {**PAIR, "name": "../evil"}, "bad_format", "name", None),
        ("train", {**PAIR, "name": "ends\n"}, "bad_format", "name", None),
        ("inspect_data", {"source": "a\ud800"}, "not_text", "source", None),
    ],
)
def test_each_kind_of_mistake_is_named_and_corrected_where_that_can_be(tool, arguments, code, argument, corrected):
    error = refusal(tool, arguments)

    assert (error.code, error.argument) == (code, argument)
    assert error.next_call == (corrected and {"tool": tool, "arguments": corrected})
    assert argument.split("/")[0] in error.message
    json.dumps(error.to_json(), allow_nan=False)


def test_two_mistakes_are_told_and_corrected_together():
    error = refusal("train", {**PAIR, "learning_rate": 0.1, "epochs": "7"})

    assert "learning_rate" in error.message
    assert "epochs must be an integer" in error.message
    assert error.next_call["arguments"] == {**PAIR, "lr": 0.1, "epochs": 7}


def test_at_most_five_mistakes_are_told():
    error = refusal("predict", {"run": "r", "rows": [None] * 1000})

    assert "(5)" in error.message
    assert "(6)" not in error.message
    assert len(error.message) < 1000


def test_what_is_said_of_a_long_or_malicious_value_is_short_and_visible():
    error = refusal("train", {**PAIR, "scheduler": "x\u202e\n" * 10_000, "evil {} \u200b" + "k" * 9999: 1})

    assert len(json.dumps(error.to_json())) < 3000
    assert "\u202e" not in error.message
    assert "\n" not in error.message


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "rows",
    [nested(40), nested(10_000), [{"a": 1}] * 600_000, ["x" * 11_000_000]],
    ids=["deep", "deeper", "many", "long"],
)
def test_what_is_too_deep_or_too_much_is_refused_before_it_is_looked_at(rows):
    assert refusal("predict", {"run": "r", "rows": rows}).code == "too_large"


def test_arguments_that_are_no_object_are_refused():
    assert refusal("get_run", ["r"]).code == "wrong_type"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def calls(draw):
    """A tool and arguments for it: some by their right names, some by names of others, all with any value."""
    tool = draw(st.sampled_from(sorted(MANIFEST.tools)))
    names = sorted(MANIFEST.input_schema(tool)["properties"])
    keys = st.text(max_size=12) | st.sampled_from([*names, "learning_rate", "run_id", "hidden_dims", "options"])
    return tool, draw(st.dictionaries(keys, JSON, max_size=5))


def refused_or_none(tool, arguments):
    try:
        check_arguments(MANIFEST.tools[tool], arguments)
    except TrainwellError as error:
        return error
    return None


@settings(max_examples=300)
@given(calls())
def test_any_json_is_either_accepted_or_refused_with_an_error_that_is_json_and_a_next_call_that_is_valid(case):
    tool, arguments = case
    before = json.dumps(arguments)
    error = refused_or_none(tool, arguments)

    assert json.dumps(arguments) == before
    if error is not None:
        assert len(json.dumps(error.to_json(), allow_nan=False)) < 8000
        assert error.next_call is None or refused_or_none(tool, error.next_call["arguments"]) is None
