"""What every family of networks must do, whichever files are found."""

import json
import subprocess
import sys

import pytest
import torch
from jsonschema import Draft202012Validator
from torch.nn import functional

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec
from trainwell.store.workspace import Workspace

torch.set_num_threads(1)

# Options of families that cannot do without; a new family that can needs no line here.
NEEDED = {
    "layers": {"layers": [{"type": "Linear", "out_features": 32}, "BatchNorm1d", "ReLU"]},
    "module": {"module": "own.py:Own"},
    "pretrained": {"source": "backbone"},
}
OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 3))

    def forward(self, x):
        return self.net(x)
"""
# A backbone has tests of its own: it needs one on disk.
FAMILIES = [name for name in architectures.names() if name != "pretrained"]
# They take one picture and refuse everything else.
PICTURES_ONLY = {"cnn", "resnet", "vit"}
IMAGE = Shapes(inputs=(TensorSpec(name="x", shape=(1, 4, 4)),), num_outputs=3)
TEXT = Shapes(
    inputs=(
        TensorSpec(name="tokens", shape=(6,), dtype="int32", role="tokens", sizes=(99,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=3,
)
SAME = Shapes(inputs=IMAGE.inputs, num_outputs=16, task="reconstruction")
# What a family is tried on where it cannot take IMAGE.
HOMES = {"autoencoder": SAME, "bag": TEXT, "transformer": TEXT}
TWO_INPUTS = Shapes(
    inputs=(TensorSpec(name="numbers", shape=(5,)), TensorSpec(name="codes", shape=(2,), dtype="int64")), num_outputs=1
)
# Those that can take TWO_INPUTS, whatever they are.
SEVERAL = ["layers", "mlp", "tabular"]


@pytest.fixture(autouse=True)
def own_file(tmp_path):
    """The file of `module`, in a workspace whose code may run."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    with Workspace.open(tmp_path, allow=["code"]).at_work():
        yield


def home(name):
    return HOMES.get(name, IMAGE)


def batch(shapes, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = []
    for spec in shapes.inputs:
        x = torch.randn((rows, *spec.shape), generator=generator)
        if spec.role == "tokens":
            x = torch.randint(2, spec.sizes[0], x.shape, generator=generator, dtype=torch.int32)
        elif spec.role == "length":
            x = torch.full((rows,), 6)
        made.append((x > 0).long() if spec.dtype == "int64" and spec.role != "length" else x)
    return made


def test_the_families_of_this_release_are_found():
    assert {"cnn", "layers", "mlp", "resnet", "vit"} <= set(FAMILIES)
    assert "check" not in FAMILIES


def test_asking_which_families_there_are_loads_no_torch():
    code = "import sys, trainwell.architectures as a; a.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "shapes"), [*((name, home(name)) for name in FAMILIES), *((name, TWO_INPUTS) for name in SEVERAL)]
)
def test_it_gives_an_output_per_row_and_the_same_weights_for_the_same_seed(name, shapes):
    torch.manual_seed(3)
    first = architectures.build(name, NEEDED.get(name, {}), shapes)
    torch.manual_seed(3)
    second = architectures.build(name, NEEDED.get(name, {}), shapes)
    inputs = batch(shapes, 3)

    assert first(*inputs).shape == (3, shapes.num_outputs)
    assert first.eval()(*[x[:1] for x in inputs]).shape == (1, shapes.num_outputs)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", sorted(PICTURES_ONLY))
def test_a_family_of_pictures_refuses_several_inputs(name):
    with pytest.raises(TrainwellError) as caught:
        architectures.settle(name, {}, TWO_INPUTS)

    assert caught.value.code == "architecture_does_not_fit"


@pytest.mark.parametrize("name", FAMILIES)
def test_it_learns_one_batch_by_heart(name):
    torch.manual_seed(0)
    module = architectures.build(name, NEEDED.get(name, {}), home(name))
    inputs, y = batch(home(name), 16), torch.arange(16) % 3
    same = home(name).task == "reconstruction"
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        outputs = module(*inputs)
        loss = functional.mse_loss(outputs, inputs[0].flatten(1)) if same else functional.cross_entropy(outputs, y)
        loss.backward()
        optimizer.step()
    outputs = module.eval()(*inputs)

    assert functional.mse_loss(outputs, inputs[0].flatten(1)) < 0.05 if same else (outputs.argmax(1) == y).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_its_weights_load_into_a_module_built_from_the_stored_options(name):
    stored = json.loads(json.dumps(architectures.resolve(name, NEEDED.get(name, {}), home(name))))
    trained = architectures.build(name, NEEDED.get(name, {}), home(name)).eval()
    again = architectures.build(name, stored, home(name)).eval()
    again.load_state_dict(trained.state_dict())
    inputs = batch(home(name), 4)

    assert architectures.resolve(name, stored, home(name)) == stored
    assert torch.equal(trained(*inputs), again(*inputs))


@pytest.mark.parametrize("name", [name for name in FAMILIES if architectures.on_meta(name)])
def test_it_can_be_loaded_onto_a_sketch_that_holds_nothing(name):
    trained = architectures.build(name, NEEDED.get(name, {}), home(name)).eval()
    with torch.device("meta"):
        sketch = architectures.build(name, NEEDED.get(name, {}), home(name))
    sketch.load_state_dict(trained.state_dict(), assign=True)
    inputs = batch(home(name), 4)

    assert torch.equal(trained(*inputs), sketch.eval()(*inputs))


@pytest.mark.parametrize("name", FAMILIES)
def test_its_schema_is_valid_strict_and_takes_what_resolve_stores(name):
    schema = architectures.schemas()[name]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    stored = architectures.resolve(name, NEEDED.get(name, {}), home(name))

    assert schema["additionalProperties"] is False
    assert '"title"' not in json.dumps(schema)
    assert not list(validator.iter_errors(stored))
    assert list(validator.iter_errors({**stored, "no_such_option": 1}))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_misspelt_option_is_refused_with_the_nearest_one(name):
    fields = architectures.config_class(name).model_fields
    right = next(field for field in ("init", "dropout", "bottleneck", "arguments") if field in fields)
    wrong = f"{right[:-2]}{right[:-3:-1]}"
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve(name, {**NEEDED.get(name, {}), wrong: "he"}, home(name))

    assert caught.value.code == "unknown_option"
    assert caught.value.argument == f"options/{wrong}"
    assert right in caught.value.hint


def test_an_unknown_family_is_refused_with_those_that_there_are():
    with pytest.raises(TrainwellError) as caught:
        architectures.build("mpl", {}, IMAGE)

    assert caught.value.code == "unknown_architecture"
    assert "mlp" in caught.value.allowed
    assert "mlp" in caught.value.hint


@pytest.mark.parametrize("name", ["__init__", "os", "check", "_init", "../data", "mlp.Config", ""])
def test_a_name_that_is_a_module_but_no_family_opens_no_door(name):
    with pytest.raises(TrainwellError) as caught:
        architectures.config_class(name)

    assert caught.value.code == "unknown_architecture"


def test_data_without_inputs_is_refused():
    empty = Shapes(inputs=(TensorSpec(name="x", shape=(0,)),), num_outputs=2)
    for name in FAMILIES:
        if name == "module" or home(name) is TEXT:  # whoever wrote it may do without; texts never come empty
            continue
        task = "reconstruction" if name == "autoencoder" else empty.task
        with pytest.raises(TrainwellError) as caught:
            architectures.resolve(name, NEEDED.get(name, {}), empty.model_copy(update={"task": task}))
        assert caught.value.code == "no_inputs", name
