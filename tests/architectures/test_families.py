"""What every family of networks must do, whichever files are found."""

import json
import subprocess
import sys

import pytest
import torch
from jsonschema import Draft202012Validator
from torch.nn import functional

from trainwell import architectures
from trainwell.architectures._members import MemberDropout
from trainwell.architectures.tabular import Curves
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)

# Options of families that cannot do without; a new family that can needs no line here.
NEEDED = {"layers": {"layers": [{"type": "Linear", "out_features": 32}, "BatchNorm1d", "ReLU"]}}
# They need a file of somebody's: their own tests bring it.
WITH_A_FILE = {"module", "pretrained"}
FAMILIES = [name for name in architectures.names() if name not in WITH_A_FILE]
IMAGE = Shapes(inputs=(TensorSpec(name="x", shape=(1, 4, 4)),), num_outputs=3)
TWO_INPUTS = Shapes(
    inputs=(TensorSpec(name="numbers", shape=(5,)), TensorSpec(name="codes", shape=(2,), dtype="int64")), num_outputs=1
)


ROW = Shapes(inputs=(TensorSpec(name="x", shape=(16,)),), num_outputs=3)
STEPS = Shapes(inputs=(TensorSpec(name="x", shape=(8, 2), role="sequence"),), num_outputs=3)
TOKENS = Shapes(
    inputs=(TensorSpec(name="tokens", shape=(8,), dtype="int32", role="tokens", sizes=(20,)),), num_outputs=3
)
CODE = Shapes(inputs=(TensorSpec(name="x", shape=(16,)),), num_outputs=16, task="reconstruction")
OWN = {"autoencoder": CODE, "bag": TOKENS, "transformer": STEPS}


def shapes_for(name):
    """Inputs that a family is made for."""
    accepts = architectures.accepts(name)
    usual = IMAGE if "image" in accepts else ROW if "features" in accepts else STEPS
    return OWN.get(name, usual)


def batch(shapes, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = {
        "tokens": lambda spec: torch.randint(1, 20, (rows, *spec.shape), generator=generator, dtype=torch.int32),
        "features": lambda spec: torch.randn((rows, *spec.shape), generator=generator),
    }
    inputs = [made.get(spec.role, made["features"])(spec) for spec in shapes.inputs]
    kinds = [spec.dtype for spec in shapes.inputs]
    return [(x > 0).long() if kind == "int64" else x for x, kind in zip(inputs, kinds, strict=True)]


def test_the_families_of_this_release_are_found():
    assert {"cnn", "layers", "mlp", "resnet", "vit"} <= set(FAMILIES)
    assert "check" not in FAMILIES


def test_asking_which_families_there_are_loads_no_torch():
    code = "import sys, trainwell.architectures as a; a.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def check_built(name, shapes):
    torch.manual_seed(3)
    first = architectures.build(name, NEEDED.get(name, {}), shapes)
    torch.manual_seed(3)
    second = architectures.build(name, NEEDED.get(name, {}), shapes)
    inputs = batch(shapes, 3)

    assert first(*inputs).shape == (3, shapes.num_outputs)
    assert first.eval()(*[x[:1] for x in inputs]).shape == (1, shapes.num_outputs)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_gives_an_output_per_row_and_the_same_weights_for_the_same_seed(name):
    check_built(name, shapes_for(name))


@pytest.mark.parametrize("name", ["mlp", "layers"])
def test_several_inputs_are_put_side_by_side(name):
    check_built(name, TWO_INPUTS)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("role", ["image", "sequence", "tokens", "categories"])
def test_inputs_of_a_role_that_it_does_not_take_are_refused_with_the_families_that_do(name, role):
    odd = TensorSpec(name="x", shape=(3, 8, 8) if role == "image" else (8, 2), role=role, sizes=(9, 9))
    shapes = Shapes(inputs=(odd,), num_outputs=3)
    if role in architectures.accepts(name):
        assert architectures.choose(name, shapes) == name
        return
    with pytest.raises(TrainwellError) as caught:
        architectures.choose(name, shapes)

    assert caught.value.code == "architecture_does_not_fit"
    assert "auto" in caught.value.allowed
    assert name not in caught.value.allowed


@pytest.mark.parametrize("name", FAMILIES)
def test_it_learns_one_batch_by_heart(name):
    torch.manual_seed(0)
    shapes = shapes_for(name)
    module = architectures.build(name, NEEDED.get(name, {}), shapes)
    (x,), y = batch(shapes, 16), torch.arange(16) % 3
    given_back = shapes.task == "reconstruction"
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        output = module(x)
        (functional.mse_loss(output, x) if given_back else functional.cross_entropy(output, y)).backward()
        optimizer.step()

    output = module.eval()(x)
    assert functional.mse_loss(output, x) < 0.3 if given_back else (output.argmax(1) == y).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_its_weights_load_into_a_module_built_from_the_stored_options(name):
    stored = json.loads(json.dumps(architectures.resolve(name, NEEDED.get(name, {}), shapes_for(name))))
    trained = architectures.build(name, NEEDED.get(name, {}), shapes_for(name)).eval()
    again = architectures.build(name, stored, shapes_for(name)).eval()
    again.load_state_dict(trained.state_dict())
    inputs = batch(shapes_for(name), 4)

    assert architectures.resolve(name, stored, shapes_for(name)) == stored
    assert torch.equal(trained(*inputs), again(*inputs))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_can_be_loaded_onto_a_sketch_that_holds_nothing(name):
    trained = architectures.build(name, NEEDED.get(name, {}), shapes_for(name)).eval()
    with torch.device("meta"):
        sketch = architectures.build(name, NEEDED.get(name, {}), shapes_for(name))
    sketch.load_state_dict(trained.state_dict(), assign=True)
    inputs = batch(shapes_for(name), 4)

    assert torch.equal(trained(*inputs), sketch.eval()(*inputs))


@pytest.mark.parametrize("name", FAMILIES)
def test_its_schema_is_valid_strict_and_takes_what_resolve_stores(name):
    schema = architectures.schemas()[name]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    stored = architectures.resolve(name, NEEDED.get(name, {}), shapes_for(name))

    assert schema["additionalProperties"] is False
    assert '"title"' not in json.dumps(schema)
    assert not list(validator.iter_errors(stored))
    assert list(validator.iter_errors({**stored, "no_such_option": 1}))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_misspelt_option_is_refused_with_the_nearest_one(name):
    right = next(
        one for one in ("init", "dropout", "hidden_dims") if one in architectures.config_class(name).model_fields
    )
    wrong = f"{right[:-2]}{right[:-3:-1]}"
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve(name, {**NEEDED.get(name, {}), wrong: "he"}, shapes_for(name))

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
    for name in ("mlp", "layers", "tabular"):
        with pytest.raises(TrainwellError) as caught:
            architectures.resolve(name, NEEDED.get(name, {}), empty)
        assert caught.value.code == "no_inputs"


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("multilabel", 3), ("regression", 1)])
def test_members_answer_each_for_itself_in_training_and_with_their_mean_else(task, outputs):
    shapes = ROW.model_copy(update={"task": task, "num_outputs": outputs, "rows": 100})
    torch.manual_seed(0)
    module = architectures.build("tabular", {"members": 5, "dropout": 0.0}, shapes)
    (x,) = batch(shapes, 4)

    each = module(x).view(5, 4, outputs)
    assert each.std(0).min() > 0
    likely = {
        "classification": lambda z: z.softmax(-1), "multilabel": torch.sigmoid, "regression": lambda z: z,
    }[task]  # fmt: skip
    together = likely(module.eval()(x))
    torch.testing.assert_close(together, likely(each).mean(0))


def test_what_a_member_drops_is_its_own_and_its_mean_stays():
    torch.manual_seed(0)
    layer = MemberDropout([0.0, 0.5, 0.9])
    dropped = layer(torch.ones(3, 200, 100))
    shares = (dropped == 0).float().mean((1, 2))
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.5, 0.9]), atol=0.02, rtol=0)
    torch.testing.assert_close(dropped.mean((1, 2)), torch.ones(3), atol=0.06, rtol=0)
    assert torch.equal(layer.eval()(dropped), dropped)


def test_curves_are_straight_between_their_knots_and_bend_at_them():
    torch.manual_seed(0)
    curves = Curves([(-1.0, 0.0, 2.0), (), (0.0, 0.5, 1.0)], 4)
    x = torch.zeros(25, 3)
    x[:, 0] = torch.linspace(-2, 4, 25)
    lines = curves(x)[:, 3:7]
    bends = lines.diff(dim=0).diff(dim=0).abs().amax(1) > 1e-5
    assert x[1:-1, 0][bends].tolist() == [-1.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("numbers", "task", "rows", "dropout", "most_epochs"),
    [
        (2, "classification", 2000, 0.3, 20),
        (4, "classification", 2000, 0.1, None),
        (2, "regression", 2000, 0.1, None),
        (0, "classification", 2000, 0.1, None),
        (2, "classification", 500, 0.2, 100),
    ],
)
def test_where_most_inputs_are_categories_more_is_dropped_and_epochs_are_fewer(
    numbers, task, rows, dropout, most_epochs
):
    knots = ((-1.0, 0.0, 1.0),) * numbers + ((),) * (6 - numbers)
    inputs = (TensorSpec(name="x", shape=(6,), knots=knots if numbers else ()),)
    shapes = Shapes(inputs=inputs, num_outputs=2, task=task, rows=rows)
    settled = architectures.resolve("tabular", {}, shapes)
    assert settled["dropout"] == dropout
    assert architectures.recipe("tabular", settled, shapes).most_epochs == most_epochs


def test_only_numbers_of_a_table_that_has_knots_get_curves_and_few_rows_get_none():
    bent = TensorSpec(name="x", shape=(3,), knots=((-1.0, 0.0, 1.0), (), (0.0, 0.5, 1.0)))
    many = TensorSpec(name="categories", shape=(1,), dtype="int64", role="categories", sizes=(90,))
    shapes = Shapes(inputs=(bent, many), num_outputs=2, rows=2000)
    settled = architectures.resolve("tabular", {}, shapes)
    assert (settled["curves"], settled["frequencies"]) == (8, 0)
    assert architectures.build("tabular", settled, shapes).get_submodule("curves").rise.shape == (2, 2, 8)
    assert architectures.resolve("tabular", {}, shapes.model_copy(update={"rows": 500}))["curves"] == 0
    plain = shapes.model_copy(update={"inputs": (bent.model_copy(update={"knots": ()}), many)})
    assert architectures.resolve("tabular", {}, plain)["frequencies"] == 6
