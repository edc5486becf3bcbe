"""What every family that takes tokens must do."""

import json

import pytest
import torch
from torch.nn import functional

from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
FAMILIES = ("bag", "mlp", "transformer")
TEXT = Shapes(
    inputs=(
        TensorSpec(name="tokens", shape=(12,), dtype="int32", role="tokens", sizes=(50,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=3,
)


def batch(rows=16):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 13, (rows,), generator=generator)
    tokens = torch.randint(1, 50, (rows, 12), dtype=torch.int32, generator=generator)
    return torch.where(torch.arange(12) < lengths[:, None], tokens, 0), lengths


def built(name, seed=0, **options):
    torch.manual_seed(seed)
    return architectures.build(name, options, TEXT)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_network(name):
    first, second = built(name), built(name)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first(*batch()).shape == (16, 3)
    assert first.eval()(*[x[:1] for x in batch()]).shape == (1, 3)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_learns_one_batch_by_heart(name):
    module, given, target = built(name), batch(), torch.arange(16) % 3
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        functional.cross_entropy(module(*given), target).backward()
        optimizer.step()
    assert (module.eval()(*given).argmax(1) == target).float().mean() > 0.9


@pytest.mark.parametrize("name", FAMILIES)
def test_the_stored_options_rebuild_it(name):
    options = architectures.resolve(name, {}, TEXT)
    again = json.loads(json.dumps(options))
    assert architectures.resolve(name, again, TEXT) == options
    module = built(name).eval()
    with torch.device("meta"):
        sketch = architectures.build(name, again, TEXT)
    sketch.load_state_dict(module.state_dict(), assign=True)
    assert torch.equal(sketch.eval()(*batch()), module(*batch()))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_misspelt_option_is_refused_with_the_nearest_one(name):
    with pytest.raises(TrainwellError) as refusal:
        architectures.settle(name, {"dropuot": 0.1}, TEXT)
    assert (refusal.value.code, "dropout" in refusal.value.hint) == ("unknown_option", True)
