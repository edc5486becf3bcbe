"""Residual networks: plans by depth, the stem by the size, blocks that begin as the identity."""

import pytest
import torch
from torch import nn

from tests.architectures.test_cnn import shapes
from trainwell import architectures
from trainwell.architectures import resnet
from trainwell.contract.errors import TrainwellError

torch.set_num_threads(1)


@pytest.mark.parametrize(("side", "stem"), [(8, 1), (16, 1), (28, 2), (32, 2), (64, 2), (96, 4), (128, 4), (224, 8)])
def test_the_stem_shrinks_what_is_large(side, stem):
    options = architectures.resolve("resnet", {}, shapes(height=side, width=side))
    assert options["stem"] == stem


@pytest.mark.parametrize("depth", [8, 10, 14, 18, 34])
def test_depth_is_the_number_of_layers_with_weights_on_the_way(depth):
    module = architectures.build("resnet", {"depth": depth, "width": 4}, shapes())
    on_the_way = [layer for label, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)
                  and "shortcut" not in label]  # fmt: skip
    assert len(on_the_way) == depth
    assert module(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape == (2, 10)


def test_a_block_begins_as_its_shortcut_and_passes_a_gradient_all_the_same():
    torch.manual_seed(0)
    block = resnet.Block(8, 8, 1)
    x = torch.randn(16, 8, 6, 6).relu()
    out = block(x)
    assert (out - x).abs().mean() < 0.05 * x.abs().mean()
    out.square().sum().backward()
    assert all(bool(parameter.grad.any()) for parameter in block.parameters())


@pytest.mark.parametrize("size", [(4, 4), (9, 23), (64, 48)])
def test_bytes_of_any_size_give_logits(size):
    module = architectures.build("resnet", {}, shapes(3, *size))
    assert module(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 10)


def test_what_was_chosen_is_told():
    options, told = architectures.settle("resnet", {}, shapes())
    _, silent = architectures.settle("resnet", {"blocks": [1], "width": 8, "stem": 1}, shapes())
    assert [note.split()[0] for note in told] == ["blocks", "width", "stem"]
    assert options["blocks"] == [1, 1, 1]
    assert silent == []


def test_an_unusual_depth_is_refused():
    with pytest.raises(TrainwellError) as caught:
        architectures.settle("resnet", {"depth": 12}, shapes())
    assert caught.value.argument == "options/depth"
