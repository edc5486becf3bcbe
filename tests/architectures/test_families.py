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

torch.set_num_threads(1)

# Options of families that cannot do without; a new family that can needs no line here.
NEEDED = {"layers": {"layers": [{"type": "Linear", "out_features": 32}, "BatchNorm1d", "ReLU"]}}
# They take steps or tokens, a folder or a file, and have tests of their own.
ELSEWHERE = {"bag", "module", "pretrained", "transformer"}
FAMILIES = [name for name in architectures.names() if name not in ELSEWHERE]
IMAGE = Shapes(inputs=(TensorSpec(name="x", shape=(1, 4, 4)),), num_outputs=3)
TWO_INPUTS = Shapes(
    inputs=(TensorSpec(name="numbers", shape=(5,)), TensorSpec(name="codes", shape=(2,), dtype="int64")), num_outputs=1
)


def batch(shapes, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn((rows, *spec.shape), generator=generator) for spec in shapes.inputs]
    kinds = [spec.dtype for spec in shapes.inputs]
    return [x if kind == "float32" else (x > 0).long() for x, kind in zip(inputs, kinds, strict=True)]


def test_the_families_of_this_release_are_found():
    assert {"layers", "mlp"} <= set(FAMILIES)
    assert "check" not in FAMILIES


def test_asking_which_families_there_are_loads_no_torch():
    code = "import sys, trainwell.architectures as a; a.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shapes", [IMAGE, TWO_INPUTS], ids=["image", "two inputs"])
def test_it_gives_an_output_per_row_and_the_same_weights_for_the_same_seed(name, shapes):
    torch.manual_seed(3)
    first = architectures.build(name, NEEDED.get(name, {}), shapes)
    torch.manual_seed(3)
    second = architectures.build(name, NEEDED.get(name, {}), shapes)
    inputs = batch(shapes, 3)

    assert first(*inputs).shape == (3, shapes.num_outputs)
    assert first.eval()(*[x[:1] for x in inputs]).shape == (1, shapes.num_outputs)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_learns_one_batch_by_heart(name):
    torch.manual_seed(0)
    module = architectures.build(name, NEEDED.get(name, {}), IMAGE)
    (x,), y = batch(IMAGE, 16), torch.arange(16) % 3
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        optimizer.step()

    assert (module.eval()(x).argmax(1) == y).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_its_weights_load_into_a_module_built_from_the_stored_options(name):
    stored = json.loads(json.dumps(architectures.resolve(name, NEEDED.get(name, {}), IMAGE)))
    trained = architectures.build(name, NEEDED.get(name, {}), IMAGE).eval()
    again = architectures.build(name, stored, IMAGE).eval()
    again.load_state_dict(trained.state_dict())
    inputs = batch(IMAGE, 4)

    assert architectures.resolve(name, stored, IMAGE) == stored
    assert torch.equal(trained(*inputs), again(*inputs))


@pytest.mark.parametrize("name", FAMILIES)
def test_its_schema_is_valid_strict_and_takes_what_resolve_stores(name):
    schema = architectures.schemas()[name]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    stored = architectures.resolve(name, NEEDED.get(name, {}), IMAGE)

    assert schema["additionalProperties"] is False
    assert '"title"' not in json.dumps(schema)
    assert not list(validator.iter_errors(stored))
    assert list(validator.iter_errors({**stored, "no_such_option": 1}))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_misspelt_option_is_refused_with_the_nearest_one(name):
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve(name, {**NEEDED.get(name, {}), "inti": "he"}, IMAGE)

    assert caught.value.code == "unknown_option"
    assert caught.value.argument == "options/inti"
    assert "init" in caught.value.hint


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
        with pytest.raises(TrainwellError) as caught:
            architectures.resolve(name, NEEDED.get(name, {}), empty)
        assert caught.value.code == "no_inputs"
