"""Networks that read steps in order: padding is invisible, time runs one way, forecasts start from what is known."""

import pytest
import torch
from torch import nn

from trainwell import architectures
from trainwell.architectures import _recurrent, check, tcn
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
FAMILIES = ["rnn", "lstm", "gru", "tcn"]
UNEQUAL = Shapes(
    inputs=(
        TensorSpec(name="x", shape=(12, 3), role="sequence"),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=4,
)
TOKENS = Shapes(
    inputs=(
        TensorSpec(name="text", shape=(9,), dtype="int32", role="tokens", sizes=(50,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=2,
)
FORECAST = Shapes(
    inputs=(
        TensorSpec(name="past", shape=(20, 5), role="sequence", sizes=(2,)),
        TensorSpec(name="future", shape=(6, 3), role="sequence"),
    ),
    num_outputs=12,
    task="forecasting",
)


def built(name, shapes, **options):
    torch.manual_seed(0)
    return architectures.build(name, {"hidden_size": 8, **options}, shapes).eval()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_what_stands_behind_the_end_of_a_row_changes_nothing(family, pooling):
    module = built(family, UNEQUAL, pooling=pooling)
    x, lengths = torch.randn(5, 12, 3), torch.tensor([12, 1, 7, 3, 9])
    spoilt = x.clone()
    for row, length in enumerate(lengths.tolist()):
        spoilt[row, length:] = 100.0

    torch.testing.assert_close(module(x, lengths), module(spoilt, lengths))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_row_is_answered_as_the_same_row_alone(family):
    module = built(family, UNEQUAL)
    x = torch.randn(1, 12, 3)
    padded = torch.cat([x[:, :5], torch.zeros(1, 7, 3)], dim=1)
    among = torch.cat([padded, torch.randn(3, 12, 3)])

    alone = module(padded, torch.tensor([5]))
    torch.testing.assert_close(module(among, torch.tensor([5, 12, 12, 8]))[:1], alone)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shapes", [UNEQUAL, TOKENS, FORECAST], ids=["unequal", "tokens", "forecast"])
def test_the_check_before_training_passes_and_every_weight_learns(family, shapes):
    report = check.check_model(family, {}, shapes, shapes.task, max_parameters=10_000_000)

    assert report["checks"]["output_shape"] == ["B", shapes.num_outputs]
    assert "exactly 0" not in report["checks"]["gradients"]
    assert report["flops_per_row"] > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forecast_moves_with_the_level_of_its_series(family):
    """Raise one series by 3: without the head's knowledge of the level its forecast rises by 3, the other stays."""
    module = built(family, FORECAST)
    past, future = torch.randn(4, 20, 5), torch.randn(4, 6, 3)
    raised = past.clone()
    raised[..., 0] += 3
    moved = (module(raised, future) - module(past, future)).unflatten(1, (6, 2))

    torch.testing.assert_close(moved[..., 0], torch.full((4, 6), 3.0), atol=0.5, rtol=0)
    torch.testing.assert_close(moved[..., 1], torch.zeros(4, 6), atol=0.5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forecast_listens_to_what_is_known_of_its_own_step_only(family):
    module = built(family, FORECAST)
    past, future = torch.randn(2, 20, 5), torch.zeros(2, 6, 3)
    other = future.clone()
    other[:, 4] = 5.0
    changed = (module(past, other) - module(past, future)).unflatten(1, (6, 2)).abs().sum(2)

    assert (changed[:, 4] > 0).all()
    assert (changed[:, [0, 1, 2, 3, 5]] == 0).all()


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_recurrent_weights_start_orthogonal_and_an_lstm_remembers(name):
    module = built(name.lower(), UNEQUAL)
    cells = next(layer for layer in module.modules() if isinstance(layer, nn.RNNBase))
    for gate in cells.weight_hh_l0.chunk(_recurrent.GATES[type(cells)]):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    if name == "LSTM":
        bias = cells.bias_ih_l0 + cells.bias_hh_l0
        assert bias.chunk(4)[1].eq(1).all()
        assert torch.cat([bias.chunk(4)[gate] for gate in (0, 2, 3)]).eq(0).all()


def test_a_causal_tcn_sees_no_later_step_and_all_earlier_ones():
    config = tcn.Config(hidden_size=8, num_layers=tcn.blocks_for(40, 5), causal=True, dropout=0.0)
    torch.manual_seed(0)
    body = tcn.Body(1, config).eval()
    x = torch.randn(1, 40, 1, requires_grad=True)
    seen = torch.autograd.grad(body(x, None)[0, 20].sum(), x)[0][0, :, 0]

    assert (seen[21:] == 0).all()
    assert (seen[:21] != 0).all()


@pytest.mark.parametrize(("steps", "kernel", "blocks"), [(9, 5, 1), (10, 5, 2), (1, 3, 1), (128, 3, 6)])
def test_a_tcn_has_the_fewest_blocks_that_see_the_whole_input(steps, kernel, blocks):
    assert tcn.blocks_for(steps, kernel) == blocks


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shapes", [UNEQUAL, FORECAST], ids=["unequal", "forecast"])
def test_it_trains_the_same_twice_with_deterministic_algorithms_and_stays_finite_in_bf16(family, shapes):
    inputs = [torch.randn(6, *spec.shape) if spec.role == "sequence" else torch.arange(1, 7) for spec in shapes.inputs]

    def gradients():
        module = built(family, shapes, dropout=0.0).train()
        module(*inputs).square().mean().backward()
        return [parameter.grad for parameter in module.parameters()]

    torch.use_deterministic_algorithms(True)
    try:
        assert all(torch.equal(a, b) for a, b in zip(gradients(), gradients(), strict=True))
    finally:
        torch.use_deterministic_algorithms(False)
    module = built(family, shapes)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(*inputs)
    assert half.isfinite().all()
    torch.testing.assert_close(half.float(), module(*inputs), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_can_be_a_plain_row_and_inputs_that_are_none_are_refused(family):
    row = Shapes(inputs=(TensorSpec(name="x", shape=(7,)),), num_outputs=2)
    assert built(family, row)(torch.randn(3, 7)).shape == (3, 2)
    image = Shapes(inputs=(TensorSpec(name="x", shape=(3, 8, 8), dtype="uint8", role="image"),), num_outputs=2)
    with pytest.raises(TrainwellError) as caught:
        architectures.choose(family, image)
    assert caught.value.code == "architecture_does_not_fit"


def test_sequences_go_to_a_recurrent_network_unless_told_otherwise():
    assert architectures.choose("auto", UNEQUAL) == "gru"
