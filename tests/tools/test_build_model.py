"""What build_model says and asks for; building itself is the business of each family's tests."""

import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.tools.build_model import Arguments, _asked_for


def asked(**given):
    return _asked_for(Arguments(**{"data": "data_x", "architecture": "auto", "detail": "brief", **given}))


def test_each_way_of_saying_a_network_becomes_an_architecture_with_options():
    assert asked() == ("auto", {})
    assert asked(architecture="cnn", options={"width": 8}) == ("cnn", {"width": 8})
    assert asked(layers=["ReLU"]) == ("layers", {"layers": ["ReLU"]})
    module = asked(module="net.py:Net", options={"width": 8})
    assert module == ("module", {"module": "net.py:Net", "arguments": {"width": 8}})
    assert asked(pretrained="minilm", options={"learn": "all"}) == ("pretrained", {"learn": "all", "source": "minilm"})
    assert asked(pretrained="minilm", architecture="pretrained")[0] == "pretrained"


@pytest.mark.parametrize(
    "given",
    [
        {"layers": ["ReLU"], "module": "net.py:Net"},
        {"layers": ["ReLU"], "options": {}},
        {"layers": ["ReLU"], "architecture": "mlp"},
        {"module": "net.py:Net", "pretrained": "minilm"},
        {"pretrained": "minilm", "architecture": "resnet"},
    ],
)
def test_two_ways_at_once_are_refused(given):
    with pytest.raises(TrainwellError) as caught:
        asked(**given)

    assert caught.value.code == "exactly_one"
    assert caught.value.argument == next(name for name in ("layers", "module", "pretrained") if name in given)


def test_the_answer_says_what_auto_took_and_why(call):
    data = call("prepare_data", source="iris")
    assert 'classification of "target" (3 classes) from 4 numbers' in data["summary"]
    built = call("build_model", data=data["data"])

    assert built["report"]["notes"][0].startswith("auto took tabular")
    assert "It takes 4 numbers, gives 3 class scores." in built["summary"]
    assert len(built["summary"].splitlines()) <= 5
    named = call("build_model", data=data["data"], architecture="mlp")
    assert not any(note.startswith("auto") for note in named["report"]["notes"])
