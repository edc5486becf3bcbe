"""Convolutional networks: sizes from the picture, what is told, and the rows that they take."""

import pytest
import torch
from torch import nn

from trainwell import architectures
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)


def shapes(channels=1, height=28, width=28, rows=3000, outputs=10, task="classification"):
    spec = TensorSpec(
        name="image", shape=(channels, height, width), dtype="uint8", role="image",
        mean=(33.0,) * channels, std=(78.0,) * channels,
    )  # fmt: skip
    return Shapes(inputs=(spec,), num_outputs=outputs, rows=rows, task=task)


def test_stages_follow_the_size_of_the_picture_and_widths_the_rows():
    def channels(side, rows):
        return architectures.resolve("cnn", {}, shapes(height=side, width=side, rows=rows))["channels"]

    assert channels(28, 3000) == [16, 32, 64]
    assert channels(28, 50_000) == [32, 64, 128]
    assert channels(8, 1000) == [16, 32]
    assert channels(4, 100) == [16, 32]
    assert len(channels(64, 3000)) == 4
    assert len(channels(224, 3000)) == 5


def test_what_was_chosen_is_told_and_what_was_given_is_not():
    _, told = architectures.settle("cnn", {}, shapes())
    _, silent = architectures.settle("cnn", {"channels": [8], "batch_norm": True, "init": "he"}, shapes())
    assert [note.split()[0] for note in told] == ["channels", "batch_norm", "init"]
    assert silent == []


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (28, 28), (17, 40), (128, 96)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("head", ["flatten", "mean"])
def test_bytes_of_any_size_give_logits(size, channels, head):
    wanted = shapes(channels, *size)
    module = architectures.build("cnn", {"head": head}, wanted)
    x = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    assert module(x).shape == (2, 10)


def test_it_is_made_of_the_layers_that_the_manifest_names():
    module = architectures.build("cnn", {}, shapes())
    kinds = {type(layer) for layer in module.modules()}
    assert {nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU, nn.Linear} <= kinds


@pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11), (9, 11, 3)])
def test_numbers_in_the_shape_of_a_picture_are_taken_as_one(shape):
    wanted = Shapes(inputs=(TensorSpec(name="x", shape=shape),), num_outputs=2)
    module = architectures.build("cnn", {}, wanted)
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    assert first.in_channels == (1 if len(shape) == 2 else 3)
    assert module(torch.randn(2, *shape)).shape == (2, 2)


@pytest.mark.parametrize("name", ["cnn", "resnet", "vit"])
@pytest.mark.parametrize(
    "inputs",
    [
        (TensorSpec(name="x", shape=(5,)),),
        (TensorSpec(name="x", shape=(2, 3, 4, 5)),),
        (TensorSpec(name="x", shape=(4, 4)), TensorSpec(name="y", shape=(4, 4))),
    ],
)
def test_what_is_no_picture_is_refused(name, inputs):
    with pytest.raises(TrainwellError) as caught:
        architectures.settle(name, {}, Shapes(inputs=inputs, num_outputs=2))
    assert caught.value.code == "architecture_does_not_fit"


def test_more_stages_than_the_picture_can_be_halved_are_refused():
    with pytest.raises(TrainwellError) as caught:
        architectures.settle("cnn", {"channels": [8] * 5}, shapes(height=28, width=28))
    assert (caught.value.code, caught.value.argument) == ("invalid_option", "options/channels")


@pytest.mark.parametrize("name", ["cnn", "resnet", "vit"])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_every_weight_gets_a_gradient_and_the_first_loss_is_that_of_a_guess(name, task):
    report = check_model(name, {}, shapes(height=12, width=12, task=task), task, max_parameters=10**8)
    checks = report["checks"]
    assert not any("No gradient" in note for note in report["notes"])
    assert checks["loss_at_initialisation"] == pytest.approx(checks["expected_loss"], rel=0.1)


@pytest.mark.parametrize("name", ["cnn", "resnet", "vit"])
def test_the_recipe_changes_pictures_only_where_that_is_safe(name):
    assert architectures.recipe(name, {}, shapes()).augment == ("crop", "rotate")
    assert architectures.recipe(name, {}, shapes(height=8, width=8)).augment == ()
    assert architectures.recipe(name, {}, shapes(task="regression")).augment == ()
    assert "flip" not in (architectures.recipe(name, {}, shapes(channels=3, height=32, width=32)).augment or ())
    few, many = (architectures.recipe(name, {}, shapes(rows=rows)).epochs for rows in (300, 100_000))
    assert few > many >= 10


def test_images_take_a_convolutional_network_by_themselves():
    assert architectures.choose("auto", shapes()) == "cnn"
