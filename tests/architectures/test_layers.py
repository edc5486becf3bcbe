"""Your own stack: shapes are inferred, mistakes are named by layer and by both shapes."""

import pytest
import torch
from jsonschema import Draft202012Validator
from torch import nn

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)


def shapes(*shape, outputs=10):
    return Shapes(inputs=(TensorSpec(name="x", shape=shape),), num_outputs=outputs)


def linear(width, **options):
    return {"type": "Linear", "out_features": width, **options}


def conv(channels, kernel, **options):
    return {"type": "Conv2d", "out_channels": channels, "kernel_size": kernel, **options}


def types(layers, *shape):
    return [type(layer).__name__ for layer in architectures.build("layers", {"layers": layers}, shapes(*shape))]


def refusal(layers, *shape):
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve("layers", {"layers": layers}, shapes(*shape))
    return caught.value


def test_a_small_convolutional_network_gets_the_flatten_and_the_output_that_it_needs():
    stack = [conv(8, 3, padding=1), "BatchNorm2d", "ReLU", {"type": "MaxPool2d", "kernel_size": 2}, linear(16), "GELU"]
    _, notes = architectures.settle("layers", {"layers": stack}, shapes(1, 8, 8))
    module = architectures.build("layers", {"layers": stack}, shapes(1, 8, 8))

    assert [name for name, _ in module.named_children()] == [
        "0_Conv2d", "1_BatchNorm2d", "2_ReLU", "3_MaxPool2d", "flatten_before_4_Linear", "4_Linear", "5_GELU", "output",
    ]  # fmt: skip
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert len(notes) == 2
    assert "(B, 8, 4, 4) -> (B, 128)" in notes[0]


def test_every_layer_of_the_allow_list_can_be_used():
    flat = ["BatchNorm1d", "LayerNorm", "Dropout", "ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", "SELU", "Tanh"]
    flat += ["Sigmoid", "Softplus", "Mish", "Identity", "Flatten", {"type": "Unflatten", "unflattened_size": [4, 16]}]
    line = [
        {"type": "Conv1d", "out_channels": 4, "kernel_size": 3},
        {"type": "MaxPool1d", "kernel_size": 2},
        {"type": "AvgPool1d", "kernel_size": 2},
        {"type": "AdaptiveAvgPool1d", "output_size": 2},
        {"type": "Unflatten", "unflattened_size": [2, 2, 2]},
    ]
    plane = [
        conv(4, [1, 2]),
        "BatchNorm2d",
        {"type": "AvgPool2d", "kernel_size": 1},
        {"type": "MaxPool2d", "kernel_size": [2, 1]},
        {"type": "AdaptiveAvgPool2d", "output_size": [1, 1]},
        linear(5),
    ]
    used = types([*flat, *line, *plane], 64)
    allowed = architectures.schemas()["layers"]["$defs"]["item"]["allOf"][0]["then"]["enum"]

    assert set(allowed) == set(used)


@pytest.mark.parametrize(
    ("layers", "shape", "output_added"),
    [
        ([linear(10)], (64,), False),
        ([linear(10), "Sigmoid"], (64,), True),
        ([linear(10), "Dropout"], (64,), True),
        ([linear(11)], (64,), True),
        ([conv(10, 3), {"type": "AdaptiveAvgPool2d", "output_size": 1}, "Flatten"], (1, 8, 8), False),
        ([conv(10, 3), {"type": "AdaptiveAvgPool2d", "output_size": 1}], (1, 8, 8), False),
        ([conv(10, 3), {"type": "MaxPool2d", "kernel_size": 6}], (1, 8, 8), True),
    ],
)
def test_an_output_layer_is_added_unless_the_last_layer_already_gives_logits(layers, shape, output_added):
    module = architectures.build("layers", {"layers": layers}, shapes(*shape))

    assert ("output" in dict(module.named_children())) == output_added
    assert module(torch.zeros(3, *shape)).shape == (3, 10)


@pytest.mark.parametrize(
    ("layers", "shape", "at", "said"),
    [
        ([conv(4, 3)], (64,), "layers/0", ["Conv2d", "(B, 64)", "(B, C, H, W)"]),
        (["ReLU", conv(4, 9)], (1, 8, 8), "layers/1/kernel_size", ["Conv2d", "(B, 1, 8, 8)", "9 x 9", "8 x 8"]),
        ([conv(4, 3, dilation=4)], (1, 8, 8), "layers/0/kernel_size", ["9 x 9", "8 x 8"]),
        ([{"type": "MaxPool1d", "kernel_size": 5}], (1, 4), "layers/0/kernel_size", ["MaxPool1d", "(B, 1, 4)"]),
        ([{"type": "MaxPool1d", "kernel_size": 2, "padding": 2}], (1, 4), "layers/0/padding", ["MaxPool1d"]),
        (["BatchNorm1d"], (1, 8, 8), "layers/0", ["BatchNorm1d", "(B, 1, 8, 8)", "(B, F) or (B, C, T)"]),
        ([linear(5, in_features=3)], (64,), "layers/0/in_features", ["Linear", "(B, 64)", "(B, 3"]),
        ([conv(4, 3, in_channels=3)], (1, 8, 8), "layers/0/in_channels", ["Conv2d", "(B, 1, 8, 8)", "(B, 3"]),
        ([conv(4, 3, groups=2)], (1, 8, 8), "layers/0/groups", ["Conv2d", "(B, 1, 8, 8)"]),
        ([{"type": "Unflatten", "unflattened_size": [1, 7, 9]}], (64,), "layers/0", ["(B, 64)", "(B, 1, 7, 9)", "63"]),
        ([{"type": "LayerNorm", "normalized_shape": [7]}], (64,), "layers/0/normalized_shape", ["(B, 64)", "7"]),
    ],
)
def test_a_layer_that_does_not_fit_is_named_with_both_shapes(layers, shape, at, said):
    error = refusal(layers, *shape)

    assert error.code == "layer_shape_mismatch"
    assert error.argument == at
    assert all(words in error.message for words in said), error.message


def test_the_hint_for_a_flat_row_turns_it_into_an_image_that_works():
    assert "[1, 8, 8]" in refusal([conv(4, 3)], 64).hint
    assert types([{"type": "Unflatten", "unflattened_size": [1, 8, 8]}, conv(4, 3)], 64)[:2] == ["Unflatten", "Conv2d"]


@pytest.mark.parametrize(
    ("layers", "code", "at", "hint"),
    [
        (["relu"], "unknown_layer", "layers/0", "'ReLU'"),
        (["ReLU", {"type": "Liner", "out_features": 3}], "unknown_layer", "layers/1/type", "'Linear'"),
        (["__import__('os')"], "unknown_layer", "layers/0", None),
        (["Module"], "unknown_layer", "layers/0", None),
        ([{"type": "Linear", "out_featurs": 3}], "missing_option", "layers/0/out_features", None),
        ([linear(3, bais=True)], "unknown_option", "layers/0/bais", "'bias'"),
        ([linear(3, device="cuda")], "unknown_option", "layers/0/device", None),
        ([linear(0)], "invalid_option", "layers/0/out_features", None),
        ([linear(-1)], "invalid_option", "layers/0/out_features", None),
        ([linear("3")], "invalid_option", "layers/0/out_features", None),
        ([conv(4, [3, "x"])], "invalid_option", "layers/0/kernel_size/1", None),
        ([conv(4, [3, 3, 3])], "invalid_option", "layers/0/kernel_size", None),
        ([{"out_features": 3}], "missing_option", "layers/0/type", None),
        ([{"type": ["Linear"]}], "missing_option", "layers/0/type", None),
        ([["Linear", 3]], "invalid_option", "layers/0", None),
        ([None], "invalid_option", "layers/0", None),
        ([], "invalid_option", "layers", None),
        (["ReLU"] * 513, "invalid_option", "layers", None),
        (["Softmax"], "layer_refused", "layers/0", "cross entropy"),
        ([{"type": "LogSoftmax", "dim": 1}], "layer_refused", "layers/0/type", "cross entropy"),
    ],
)
def test_a_layer_that_is_not_understood_is_refused_by_its_path(layers, code, at, hint):
    error = refusal(layers, 64)

    assert (error.code, error.argument) == (code, at)
    assert hint is None or hint in error.hint


def test_the_schema_finds_the_same_mistakes_at_the_same_place_without_torch():
    validator = Draft202012Validator(architectures.schemas()["layers"])

    def places(*layers):
        return ["/".join(map(str, error.absolute_path)) for error in validator.iter_errors({"layers": list(layers)})]

    assert places("ReLU", linear(3), conv(4, [3, 3], padding=1)) == []
    assert places("ReLU", "Liner") == ["layers/1"]
    assert places({"type": "Liner"}) == ["layers/0/type"]
    assert places(linear(0)) == ["layers/0/out_features"]
    assert places(linear(3, bais=True)) == ["layers/0"]


def test_512_layers_are_taken():
    assert len(types(["ReLU"] * 511 + [linear(10)], 64)) == 512


def test_weights_fit_the_activation_behind_them():
    torch.manual_seed(0)
    stack = [linear(512), "ReLU", linear(512), "Tanh", linear(512), "SELU"]
    module = architectures.build("layers", {"layers": stack}, shapes(512))
    stds = [layer.weight.std().item() * 512**0.5 for layer in module if isinstance(layer, nn.Linear)]

    assert stds == pytest.approx([2**0.5, 5 / 3, 1.0, 0.1], rel=0.02)
    assert all(not layer.bias.any() for layer in module if isinstance(layer, nn.Linear))
