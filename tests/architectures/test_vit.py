"""Vision transformers: patches by the size, places, and options that must fit each other."""

import pytest
import torch

from tests.architectures.test_cnn import shapes
from trainwell import architectures
from trainwell.architectures import vit
from trainwell.contract.errors import TrainwellError

torch.set_num_threads(1)


@pytest.mark.parametrize(("side", "patch"), [(8, 1), (28, 4), (32, 5), (64, 9), (224, 32)])
def test_about_seven_patches_lie_along_a_side(side, patch):
    options = architectures.resolve("vit", {}, shapes(height=side, width=side))
    assert options["patch_size"] == patch
    assert options["dim"] % options["heads"] == 0


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (30, 17), (224, 224)])
@pytest.mark.parametrize("stem", ["conv", "patch"])
@pytest.mark.parametrize("position", ["sincos", "learned"])
def test_bytes_of_any_size_give_logits(size, stem, position):
    module = architectures.build("vit", {"stem": stem, "position": position, "depth": 1}, shapes(3, *size))
    assert module(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 10)


def test_every_place_has_waves_of_its_own_and_near_places_are_more_alike():
    waves = vit.waves_of((7, 7), 64)
    near = torch.nn.functional.cosine_similarity(waves[0], waves[1], dim=0)
    far = torch.nn.functional.cosine_similarity(waves[0], waves[48], dim=0)
    assert waves.shape == (49, 64)
    assert len(waves.unique(dim=0)) == 49
    assert near > far


def test_where_a_patch_lies_matters():
    torch.manual_seed(0)
    module = architectures.build("vit", {"stem": "patch"}, shapes()).eval()
    x = torch.randint(0, 256, (1, 1, 28, 28), dtype=torch.uint8)
    moved = x.roll(4, 3)  # whole patches
    assert not torch.allclose(module(x), module(moved), atol=1e-5)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = vit.Attention(16, 4), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    x = torch.randn(3, 7, 16)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"dim": 30, "heads": 4}, "options/dim"),
        ({"dim": 64, "heads": 5}, "options/dim"),
        ({"patch_size": 0}, "options/patch_size"),
        ({"depth": 0}, "options/depth"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, argument):
    with pytest.raises(TrainwellError) as caught:
        architectures.settle("vit", options, shapes())
    assert (caught.value.code, caught.value.argument) == ("invalid_option", argument)


def test_more_patches_than_attention_can_bear_are_refused():
    with pytest.raises(TrainwellError) as caught:
        architectures.settle("vit", {"patch_size": 1}, shapes(height=128, width=128))
    assert caught.value.argument == "options/patch_size"


def test_heads_alone_choose_a_width_that_they_can_share():
    options = architectures.resolve("vit", {"heads": 6}, shapes())
    assert options["dim"] % 6 == 0
