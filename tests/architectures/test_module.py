"""A person's own module: off unless allowed, held to its file's content, and its failures told by file and line."""

import sys

import pytest
import torch

from trainwell import architectures
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec
from trainwell.store.workspace import Workspace

torch.set_num_threads(1)
DIGITS = Shapes(inputs=(TensorSpec(name="x", shape=(64,)),), num_outputs=10)
NETWORK = """
from typing import Literal
import torch
from torch import nn

WIDTH = 3

class Own(nn.Module):
    def __init__(self, width: int, sizes: tuple[int, ...] = (), act: Literal["relu", "tanh"] = "relu", share=0.0):
        super().__init__()
        assert isinstance(sizes, tuple)
        self.net = nn.Sequential(nn.Linear(64, width), nn.Tanh() if act == "tanh" else nn.ReLU(), nn.Linear(width, 10))

    def forward(self, x):
        return self.net(x)

def helper():
    pass
"""


@pytest.fixture
def own(tmp_path):
    """Write the file; while the test lasts, its code may run."""
    workspace = Workspace.open(tmp_path, allow=["code"])

    def write(text=NETWORK, name="Own"):
        (tmp_path / "nets").mkdir(exist_ok=True)
        (tmp_path / "nets" / "own.py").write_text(text, encoding="utf-8")
        return f"nets/own.py:{name}"

    with workspace.at_work():
        yield write


def options(module, **arguments):
    return {"module": module, "arguments": arguments}


def refusal(asked, shapes=DIGITS):
    with pytest.raises(TrainwellError) as caught:
        check_model("module", asked, shapes, shapes.task, max_parameters=10**6)
    return caught.value


def body(init="self.fc = nn.Linear(64, 10)", forward="return self.fc(x)"):
    return f"""from torch import nn
import torch

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        {forward}
"""


def test_it_is_checked_like_any_other_network(own):
    report = check_model("module", options(own(), width=32), DIGITS, "classification", max_parameters=10**6)

    assert report["parameters"] == 64 * 32 + 32 + 320 + 10
    assert report["flops_per_row"] == 2 * (2 * 64 * 32 + 3 * 320)
    assert report["options"]["module"] == "nets/own.py:Own"
    assert len(report["options"]["sha256"]) == 64
    assert "4 parameter tensors" in report["checks"]["gradients"]


def test_without_permission_the_file_is_not_even_read(tmp_path):
    (tmp_path / "own.py").write_text("raise SystemExit(3)")
    with Workspace.open(tmp_path).at_work():
        assert refusal(options("own.py:Own")).code == "not_allowed"
    assert refusal(options("own.py:Own")).code == "not_allowed"


def test_a_file_that_has_changed_is_refused_until_it_is_as_it_was(own):
    stored = architectures.resolve("module", options(own(), width=8), DIGITS)
    own(NETWORK + "# changed\n")
    error = refusal(stored)
    own()

    assert error.code == "module_changed"
    assert error.next_call["tool"] == "build_model"
    assert architectures.resolve("module", stored, DIGITS) == stored


def test_nothing_is_written_beside_the_file(own, tmp_path):
    architectures.build("module", options(own(), width=8), DIGITS)

    assert [path.name for path in (tmp_path / "nets").iterdir()] == ["own.py"]


@pytest.mark.parametrize(
    ("arguments", "code", "at"),
    [
        ({}, "missing_option", "options/width"),
        ({"width": 8, "acct": "relu"}, "unknown_option", "options/acct"),
        ({"width": "8"}, "invalid_option", "options/width"),
        ({"width": 8.5}, "invalid_option", "options/width"),
        ({"width": 8, "act": "gelu"}, "invalid_option", "options/act"),
        ({"width": 8, "sizes": ["a"]}, "invalid_option", "options/sizes"),
    ],
)
def test_arguments_are_held_against_the_signature(own, arguments, code, at):
    error = refusal(options(own(), **arguments))

    assert (error.code, error.argument) == (code, at)


def test_a_missing_argument_is_answered_with_what_the_network_must_fit(own):
    assert "x (B, 64) float32 and must give (B, 10)" in refusal(options(own())).hint


def test_a_list_becomes_the_tuple_that_the_class_is_annotated_with(own):
    architectures.build("module", options(own(), width=8, sizes=[1, 2], share=0.5), DIGITS)


@pytest.mark.parametrize(
    ("name", "code"),
    [("Owm", "unknown_class"), ("helper", "not_a_module"), ("WIDTH", "not_a_module"), ("own.Own", "bad_module")],
)
def test_a_class_that_is_none_is_refused_with_those_that_there_are(own, name, code):
    error = refusal(options(own(name=name)))

    assert error.code == code
    if code == "unknown_class":
        assert (error.allowed, error.hint) == (["Own"], "Did you mean 'Own'?")


@pytest.mark.parametrize("text", ["nets/own.py", "nets/own.txt:Own", "", ":Own", "nets/own.py:"])
def test_a_path_that_names_no_class_is_refused(own, text):
    own()

    assert refusal(options(text)).code in {"bad_module", "invalid_option"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch\nclass Own(:\n    pass\n", ["own.py, line 2", "SyntaxError"]),
        ("import torch\n\nboom()\n", ["own.py, line 3", "import", "NameError", "boom"]),
        ("import neighbour_of_ours\n", ["own.py, line 1", "ModuleNotFoundError"]),
        ("import sys\nsys.exit(2)\n", ["own.py, line 2", "SystemExit"]),
        (body(init="self.fc = nn.Linear(64, -1)"), ["own.py, line 7", "Own(...)"]),
        (body(forward="return self.fc(x[:, 1:])"), ["own.py, line 10", "forward", "RuntimeError"]),
        (body(forward="return 1 / 0"), ["own.py, line 10", "ZeroDivisionError"]),
        ("raise ValueError('a\\n' * 500)\n", ["own.py, line 1", "ValueError: a a a"]),
    ],
)
def test_what_foreign_code_raises_is_told_by_file_and_line(own, text, said):
    error = refusal(options(own(text)))

    assert error.code == "module_failed"
    assert all(word in error.message for word in said), error.message
    assert len(error.message) < 400
    assert not [name for name in sys.modules if name.startswith("trainwell_own") and sys.modules[name] is None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (body(forward="return self.fc(x).squeeze()[:, :9]"), "(4, 9), not (4, 10)"),
        (body(forward="return self.fc(x).squeeze()"), "(10,), not (1, 10)"),
        (body(forward="return {'logits': self.fc(x)}"), "dict, not a tensor"),
        (body(forward="return self.fc(x).argmax(1, keepdim=True).expand(-1, 10)"), "not floating point"),
        (body(forward="return self.fc(x).detach()"), "No gradient leads"),
        (body(forward="return self.fc(x) / 0"), "not finite"),
        (body(init="self.fc, self.left = nn.Linear(64, 10), nn.Linear(2, 2)"), "left.weight gets no gradient"),
        (body(init="self.fc = lambda x: x[:, :10]"), "no parameters"),
        (body(init="self.fc = nn.Linear(64, 10)\n        import threading; self.lock = threading.Lock()"), "copied"),
    ],
    ids=["shape", "one row", "dictionary", "integers", "detached", "not finite", "unused", "no weights", "no copy"],
)
def test_a_network_that_could_not_learn_is_found_out(own, text, said):
    error = refusal(options(own(text)))

    assert error.code == "model_check_failed"
    assert said in error.message
    assert "must give (B, 10)" in error.hint


def test_recurrent_layers_tied_weights_and_tensors_of_its_own_are_no_trouble(own):
    text = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(8)  # no buffer: the meta device would lose it
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        h, _ = self.rnn(x.view(-1, 8, 8) * self.scale)
        return self.out(self.two(self.one(h[:, -1]).tanh()))
"""
    report = check_model("module", options(own(text)), DIGITS, "classification", max_parameters=10**6)

    assert report["parameters"] == 4 * (8 * 8 * 2 + 16) + 8 * 8 + 8 + 8 + 90
    assert [row["output_shape"] for row in report["layers"]] == [[8, 8], [8], [8], [10]]
    assert report["flops_per_row"] > 2 * 8 * (2 * 2 * 8 * 32)  # twice the eight forward steps
