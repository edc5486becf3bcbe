import pytest
import torch

from trainwell import architectures
from trainwell.contract.specs import Shapes, TensorSpec

torch.set_num_threads(1)
TEXT = Shapes(
    inputs=(
        TensorSpec(name="tokens", shape=(12,), dtype="int32", role="tokens", sizes=(50,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=3,
)


def test_it_is_the_choice_for_texts():
    assert architectures.choose("auto", TEXT) == "bag"


@pytest.mark.parametrize(("pairs", "same"), [(0, True), (1000, False)])
def test_only_pairs_see_the_order_of_words(pairs, same):
    torch.manual_seed(0)
    module = architectures.build("bag", {"pairs": pairs}, TEXT).eval()
    tokens, length = torch.arange(1, 13, dtype=torch.int32)[None], torch.tensor([12])
    assert torch.allclose(module(tokens, length), module(tokens.flip(1), length), atol=1e-6) is same


def test_padding_changes_nothing():
    module = architectures.build("bag", {"pairs": 100, "hidden": 8}, TEXT).eval()
    tokens = torch.tensor([[3, 4, 5] + [0] * 9], dtype=torch.int32)
    torch.testing.assert_close(module(tokens, torch.tensor([3])), module(tokens[:, :3], torch.tensor([3])))


def test_few_texts_get_more_epochs():
    few, many = (TEXT.model_copy(update={"rows": rows}) for rows in (500, 50_000))
    assert architectures.recipe("bag", {}, few).epochs > architectures.recipe("bag", {}, many).epochs
