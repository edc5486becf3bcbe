"""Your own stack: shapes are inferred, mistakes are named by layer and by both shapes."""

from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from torch import nn

from trainwell import architectures
from trainwell.architectures._layer_types import LAYERS
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
SCHEMA = Draft202012Validator(architectures.schemas()["layers"])


def shapes(*shape, outputs=10):
    return Shapes(inputs=(TensorSpec(name="x", shape=shape),), num_outputs=outputs)


def linear(width, **options):
    return {"type": "Linear", "out_features": width, **options}


def conv(channels, kernel, **options):
    return {"type": "Conv2d", "out_channels": channels, "kernel_size": kernel, **options}


def types(layers, *shape):
    """The types of the stack's layers, without the entry."""
    _, *stack = architectures.build("layers", {"layers": layers}, shapes(*shape))
    return [type(layer).__name__ for layer in stack]


def refusal(layers, *shape):
    with pytest.raises(TrainwellError) as caught:
        architectures.resolve("layers", {"layers": layers}, shapes(*shape))
    return caught.value


def test_a_small_convolutional_network_gets_the_flatten_and_the_output_that_it_needs():
    stack = [conv(8, 3, padding=1), "BatchNorm2d", "ReLU", {"type": "MaxPool2d", "kernel_size": 2}, linear(16), "GELU"]
    _, notes = architectures.settle("layers", {"layers": stack}, shapes(1, 8, 8))
    module = architectures.build("layers", {"layers": stack}, shapes(1, 8, 8))

    assert [name for name, _ in module.named_children()] == [
        "entry", "0_Conv2d", "1_BatchNorm2d", "2_ReLU", "3_MaxPool2d", "flatten_before_4_Linear", "4_Linear", "5_GELU",
        "output",
    ]  # fmt: skip
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert len(notes) == 2
    assert "(B, 8, 4, 4) -> (B, 128)" in notes[0]


# For each type that cannot stand alone on a row of 8 channels: what it needs, and the shape of a row.
LINE, PLANE, STEPS = (8, 12), (8, 12, 12), (12, 8)
NEEDS = {
    "Linear": ({"out_features": 5}, (64,)),
    "Unflatten": ({"unflattened_size": [4, 16]}, (64,)),
    "Transpose": ({}, LINE),
    "Upsample": ({"scale_factor": 2}, LINE),
    "GroupNorm": ({"num_groups": 4}, LINE),
    "PositionalEmbedding": ({}, STEPS),
    "MultiheadAttention": ({"num_heads": 2}, STEPS),
    "TransformerEncoderLayer": ({"nhead": 2, "dim_feedforward": 16}, STEPS),
    **{name: ({"hidden_size": 6}, STEPS) for name in ("RNN", "LSTM", "GRU")},
    **{f"{name}1d": ({"out_channels": 4, "kernel_size": 3}, LINE) for name in ("Conv", "ConvTranspose")},
    **{f"{name}2d": ({"out_channels": 4, "kernel_size": [3, 2]}, PLANE) for name in ("Conv", "ConvTranspose")},
    **{f"{name}Pool1d": ({"kernel_size": 2}, LINE) for name in ("Max", "Avg")},
    **{f"{name}Pool2d": ({"kernel_size": [2, 1]}, PLANE) for name in ("Max", "Avg")},
    **{f"Adaptive{name}Pool1d": ({"output_size": 2}, LINE) for name in ("Max", "Avg")},
    **{f"Adaptive{name}Pool2d": ({"output_size": 2}, PLANE) for name in ("Max", "Avg")},
    **{f"{name}1d": ({}, LINE) for name in ("BatchNorm", "InstanceNorm", "Dropout", "GlobalAvgPool", "GlobalMaxPool")},
    **{f"{name}2d": ({}, PLANE) for name in ("BatchNorm", "InstanceNorm", "Dropout", "GlobalAvgPool", "GlobalMaxPool")},
}


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_of_the_allow_list_learns(name):
    if name == "Embedding":
        spec, options = (
            TensorSpec(name="x", shape=(12,), dtype="int32", role="tokens", sizes=(20,)),
            {"embedding_dim": 4},
        )
    else:
        options, shape = NEEDS.get(name, ({}, (64,)))
        role = "sequence" if shape == STEPS else "features"
        spec = TensorSpec(name="x", shape=shape, role=role)
    wanted = Shapes(inputs=(spec,), num_outputs=3)
    stack = {"layers": [{"type": name, **options}]}
    report = check_model("layers", stack, wanted, "classification", max_parameters=10**6)

    assert report["options"]["layers"][0]["type"] == name
    assert not list(SCHEMA.iter_errors(report["options"]))


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


def composite(stack, spec=None, outputs=10):
    """The settled options and the module of a stack; by default for 64 numbers."""
    wanted = Shapes(inputs=(spec or TensorSpec(name="x", shape=(64,)),), num_outputs=outputs)
    settled, notes = architectures.settle("layers", {"layers": stack}, wanted)
    report = check_model("layers", {"layers": stack}, wanted, "classification", max_parameters=10**7)
    assert architectures.resolve("layers", settled, wanted) == settled
    assert not list(SCHEMA.iter_errors(settled)), settled
    assert not list(SCHEMA.iter_errors({"layers": stack}))
    return architectures.build("layers", settled, wanted).eval(), notes, report


def test_a_residual_adds_what_comes_in():
    module, notes, _ = composite([{"residual": [linear(64), "ReLU"]}, linear(10)])
    block = module[1]
    x = torch.randn(5, 64)

    assert notes == []
    assert torch.equal(block(x), block.body(x) + x)
    assert [name for name, _ in block.body.named_children()] == ["0_Linear", "1_ReLU"]


@pytest.mark.parametrize(
    ("body", "spec", "kind"),
    [
        ([linear(32)], TensorSpec(name="x", shape=(64,)), nn.Linear),
        ([conv(16, 3, padding=1)], TensorSpec(name="x", shape=(3, 8, 8)), nn.Conv2d),
        ([conv(16, 3, padding=1, stride=2)], TensorSpec(name="x", shape=(3, 9, 8)), nn.Conv2d),
        ([{"type": "LSTM", "hidden_size": 5}], TensorSpec(name="x", shape=(12, 8), role="sequence"), nn.Linear),
        ([{"type": "Conv1d", "out_channels": 8, "kernel_size": 3, "padding": 1}],
         TensorSpec(name="x", shape=(12, 8), role="sequence"), type(None)),
    ],
    ids=["numbers", "image", "strided image", "steps", "turned there and back"],
)  # fmt: skip
def test_a_shortcut_is_projected_where_the_shapes_differ(body, spec, kind):
    module, notes, _ = composite([{"residual": body}], spec)

    assert type(module[1].projection) is kind
    assert any("layers/0" in note for note in notes) == (kind is not type(None))


def test_branches_are_joined_over_the_channels_or_added():
    image = TensorSpec(name="x", shape=(3, 8, 8))
    inception = {"branch": [[conv(4, 1)], [conv(6, 3, padding=1), "ReLU"], []]}
    module, _, _ = composite([inception, "GlobalAvgPool2d"], image)
    assert module[1](torch.zeros(2, 3, 8, 8)).shape == (2, 13, 8, 8)
    module, _, _ = composite([{"branch": [[linear(7)], [linear(9), linear(7)]], "join": "add"}])
    x = torch.randn(2, 64)
    one, two = module[1].ways
    assert torch.allclose(module[1](x), one(x) + two(x))
    steps = TensorSpec(name="x", shape=(12, 8), role="sequence")
    module, _, _ = composite([{"branch": [[{"type": "GRU", "hidden_size": 5}], []]}], steps)
    assert module[1](torch.zeros(2, 12, 8)).shape == (2, 12, 13)


def test_repetitions_have_weights_of_their_own_and_nest():
    block = {"residual": ["LayerNorm", linear(64), "GELU", {"repeat": 2, "layers": [linear(64)]}]}
    module, _, report = composite([{"repeat": 3, "layers": [block]}])

    assert sum(isinstance(layer, nn.Linear) for layer in module.modules()) == 10
    assert len({id(parameter) for parameter in module.parameters()}) == len(list(module.parameters()))
    assert report["options"]["layers"][0]["repeat"] == 3


def test_a_sequence_meets_each_layer_the_way_round_that_it_needs():
    steps = TensorSpec(name="x", shape=(12, 8), role="sequence")
    stack = [{"type": "Conv1d", "out_channels": 6, "kernel_size": 3}, "ReLU", {"type": "LSTM", "hidden_size": 5}]
    module, notes, _ = composite(stack, steps)

    assert [type(layer).__name__ for layer in module][1:5] == ["Transpose", "Conv1d", "ReLU", "Transpose"]
    assert "(B, 12, 8) -> (B, 8, 12)" in notes[0]


def test_a_transformer_for_tokens_can_be_stacked():
    tokens = TensorSpec(name="x", shape=(12,), dtype="int32", role="tokens", sizes=(20,))
    encoder = {"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 16}
    stack = [{"type": "Embedding", "embedding_dim": 8}, "PositionalEmbedding", {"repeat": 2, "layers": [encoder]}]
    module, _, _ = composite(stack, tokens)

    assert module[1].num_embeddings == 20
    with pytest.raises(TrainwellError) as caught:
        composite([encoder], tokens)
    assert (caught.value.code, caught.value.argument) == ("layer_shape_mismatch", "layers/0")
    assert "Embedding" in caught.value.hint


def test_a_length_beside_a_sequence_is_left_out_and_said_so():
    wanted = Shapes(
        inputs=(
            TensorSpec(name="x", shape=(12, 8), role="sequence"),
            TensorSpec(name="length", shape=(), dtype="int64", role="length"),
        ),
        num_outputs=3,
    )
    stack = {"layers": [{"type": "GRU", "hidden_size": 5, "last": True}]}
    report = check_model("layers", stack, wanted, "classification", max_parameters=10**6)

    assert any("Lengths are left out" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("stack", "code", "at", "said"),
    [
        ([{"residual": []}], "invalid_option", "layers/0/residual", "at least one"),
        ([{"residual": "ReLU"}], "invalid_option", "layers/0/residual", "list"),
        ([{"residual": ["ReLU", "Relu"]}], "unknown_layer", "layers/0/residual/1", "ReLU"),
        ([{"residual": [linear(0)]}], "invalid_option", "layers/0/residual/0/out_features", ">= 1"),
        (["ReLU", {"residual": [conv(3, 3)]}], "layer_shape_mismatch", "layers/1/residual/0", "(B, 64)"),
        ([{"residual": [{"type": "Unflatten", "unflattened_size": [8, 8]}]}], "layer_shape_mismatch",
         "layers/0/residual", "(B, 8, 8)"),
        ([{"branch": [[linear(3)]]}], "invalid_option", "layers/0/branch", "2 to"),
        ([{"branch": [["ReLU"], "ReLU"]}], "invalid_option", "layers/0/branch/1", "list"),
        ([{"branch": [[linear(3)], [linear(4)]], "join": "add"}], "layer_shape_mismatch", "layers/0/branch/1",
         "(B, 3)"),
        ([{"branch": [[], []], "join": "sum"}], "invalid_option", "layers/0/join", "concat"),
        ([{"branch": [[], []], "jion": "add"}], "unknown_option", "layers/0/jion", "join"),
        ([{"repeat": 2}], "missing_option", "layers/0/layers", "layers"),
        ([{"repeat": 0, "layers": ["ReLU"]}], "invalid_option", "layers/0/repeat", "1 to 512"),
        ([{"repeat": True, "layers": ["ReLU"]}], "invalid_option", "layers/0/repeat", "1 to 512"),
        ([{"repeat": 10**9, "layers": ["ReLU"]}], "invalid_option", "layers/0/repeat", "1 to 512"),
        ([{"repeat": 2, "layers": [{"type": "Embedding", "embedding_dim": 3}]}], "layer_shape_mismatch",
         "layers/0/layers/0", "tokens"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_composite_is_named_by_its_path(stack, code, at, said):
    error = refusal(stack, 64)

    assert (error.code, error.argument) == (code, at)
    assert said in f"{error.message} {error.allowed} {error.hint}"


def test_nobody_gets_a_billion_layers_or_an_endless_nest():
    many = ["ReLU"]
    for _ in range(7):
        many = [{"repeat": 512, "layers": many}]
    assert refusal(many, 64).code == "too_many_layers"
    deep = ["ReLU"]
    for _ in range(600):
        deep = [{"residual": deep}]
    assert refusal(deep, 64).code == "nested_too_deep"


LEAVES = st.one_of(
    st.sampled_from(sorted(LAYERS)),
    st.builds(linear, st.integers(-1, 20)),
    st.builds(conv, st.integers(0, 9), st.integers(0, 5), padding=st.integers(0, 2), stride=st.integers(1, 3)),
    st.builds(lambda name, n: {"type": name, "hidden_size": n}, st.sampled_from(["LSTM", "GRU"]), st.integers(1, 5)),
    st.builds(lambda n: {"type": "Conv1d", "out_channels": n, "kernel_size": 3}, st.integers(1, 6)),
    st.builds(lambda n: {"type": "Upsample", "scale_factor": n, "mode": "bilinear"}, st.integers(1, 3)),
    st.builds(lambda n: {"type": "GroupNorm", "num_groups": n}, st.integers(1, 4)),
    st.builds(lambda n: {"type": "MultiheadAttention", "num_heads": n}, st.integers(1, 4)),
    st.builds(lambda n: {"type": "ConvTranspose2d", "out_channels": n, "kernel_size": 2, "stride": 2},
              st.integers(1, 4)),
    st.builds(lambda n: {"type": "Unflatten", "unflattened_size": n}, st.lists(st.integers(1, 8), max_size=3)),
    st.sampled_from([{"type": "Embedding", "embedding_dim": 4}, {}, {"type": 3}, None, 7, {"residual": 1}]),
)  # fmt: skip
STACKS = st.recursive(
    st.lists(LEAVES, max_size=4),
    lambda inner: st.lists(
        st.one_of(
            LEAVES,
            st.builds(lambda some: {"residual": some}, inner),
            st.builds(lambda n, some: {"repeat": n, "layers": some}, st.integers(0, 3), inner),
            st.builds(lambda ways, join: {"branch": ways, "join": join}, st.lists(inner, max_size=3),
                      st.sampled_from(["concat", "add"])),
        ),
        min_size=1,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip
INPUTS = st.sampled_from([
    TensorSpec(name="x", shape=(12,)),
    TensorSpec(name="x", shape=(2, 6, 6), dtype="uint8", role="image", mean=(9.0, 9.0), std=(3.0, 3.0)),
    TensorSpec(name="x", shape=(6, 4), role="sequence"),
    TensorSpec(name="x", shape=(6,), dtype="int32", role="tokens", sizes=(9,)),
])  # fmt: skip


@settings(max_examples=80)
@given(STACKS, INPUTS)
def test_a_random_stack_works_or_is_refused_in_words(stack, spec):
    wanted = Shapes(inputs=(spec,), num_outputs=3)
    with suppress(TrainwellError):  # any other exception is a fault
        report = check_model("layers", {"layers": stack}, wanted, "classification", max_parameters=10**6)

        assert report["checks"]["output_shape"] == ["B", 3]
        assert not list(SCHEMA.iter_errors(report["options"]))
