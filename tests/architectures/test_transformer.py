import pytest
import torch

from trainwell import architectures
from trainwell.architectures._attention import Block
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
TOKENS = TensorSpec(name="tokens", shape=(12,), dtype="int32", role="tokens", sizes=(50,))
LENGTH = TensorSpec(name="length", shape=(), dtype="int64", role="length")
TEXT = Shapes(inputs=(TOKENS, LENGTH), num_outputs=3)
PAST = TensorSpec(name="past", shape=(24, 3), role="sequence", sizes=(2,))
FUTURE = TensorSpec(name="future", shape=(6, 2), role="sequence")


def texts(rows=4):
    lengths = torch.tensor([12, 5, 1, 7])[:rows]
    tokens = torch.randint(1, 50, (rows, 12), dtype=torch.int32)
    return torch.where(torch.arange(12) < lengths[:, None], tokens, 0), lengths


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_padding_changes_nothing(positions, pooling):
    torch.manual_seed(0)
    module = architectures.build("transformer", {"positions": positions, "pooling": pooling}, TEXT).eval()
    tokens, lengths = texts()
    whole = module(tokens, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = module(tokens[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(alone[0], whole[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("positions", "same"), [("learned", False), ("rotary", False), ("none", True)])
def test_positions_tell_one_order_from_another(positions, same):
    torch.manual_seed(0)
    module = architectures.build("transformer", {"positions": positions}, TEXT).eval()
    tokens = torch.arange(1, 13, dtype=torch.int32)[None]
    length = torch.tensor([12])
    assert torch.allclose(module(tokens, length), module(tokens.flip(1), length), atol=1e-6) is same


@pytest.mark.parametrize("inputs", [(PAST,), (PAST, FUTURE)])
def test_a_forecast_has_a_value_for_each_step_and_column_and_starts_at_the_last_value(inputs):
    torch.manual_seed(0)
    shapes = Shapes(inputs=inputs, num_outputs=12, task="forecasting")
    module = architectures.build("transformer", {}, shapes).eval()
    given = [torch.randn(5, *spec.shape) for spec in inputs]
    told = module(*given).view(5, 6, 2)
    assert (told - given[0][:, -1:, :2]).abs().max() < 0.5
    if len(inputs) > 1:
        changed = given[1].clone()
        changed[:, 3] += 5
        assert not torch.allclose(module(given[0], changed).view(5, 6, 2), told)


@pytest.mark.parametrize("role", ["features", "sequence"])
@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_numbers_in_a_row_are_steps_too(role, shape):
    if role == "sequence" and len(shape) == 1:
        shape = (7, 1)
    shapes = Shapes(inputs=(TensorSpec(name="x", shape=shape, role=role),), num_outputs=2)
    assert architectures.build("transformer", {}, shapes)(torch.randn(4, *shape)).shape == (4, 2)


def test_weights_built_on_the_meta_device_and_put_in_answer_alike():
    torch.manual_seed(0)
    options = {"positions": "sinusoidal"}
    module = architectures.build("transformer", options, TEXT).eval()
    with torch.device("meta"):
        again = architectures.build("transformer", options, TEXT).eval()
    again.load_state_dict(module.state_dict(), assign=True)
    given = texts()
    torch.testing.assert_close(again(*given), module(*given))


def test_a_block_is_near_the_identity_at_the_start():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 16)
    assert (Block(16, 2, 32, 0.0, depth=12)(x) - x).abs().max() < 0.1


@pytest.mark.parametrize(
    ("options", "shapes", "code"),
    [
        ({"width": 30, "heads": 4}, TEXT, "invalid_option"),
        ({"width": 6, "heads": 2, "positions": "rotary"}, TEXT, "invalid_option"),
        ({"depth": 0}, TEXT, "invalid_option"),
        ({}, Shapes(inputs=(TensorSpec(name="x", shape=(3, 8, 8)),), num_outputs=2), "architecture_does_not_fit"),
        ({}, Shapes(inputs=(TensorSpec(name="x", shape=(9000, 1), role="sequence"),), num_outputs=2), "too_many_steps"),
    ],
)
def test_what_does_not_fit_is_refused(options, shapes, code):
    with pytest.raises(TrainwellError) as refusal:
        architectures.settle("transformer", options, shapes)
    assert refusal.value.code == code
