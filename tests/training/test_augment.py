"""Each change of a batch does what it says, to the targets too, and draws from its generator alone."""

from types import SimpleNamespace

import pytest
import torch

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TensorSpec
from trainwell.training import augment

ALL = ("flip", "crop", "rotate", "cutout", "color", "mixup", "cutmix")


def image_data(channels=3, height=20, width=20, task="classification", classes=("a", "b", "c"), inputs=None):
    spec = TensorSpec(
        name="image", shape=(channels, height, width), dtype="uint8", role="image",
        mean=(100.0,) * channels, std=(50.0,) * channels,
    )  # fmt: skip
    return SimpleNamespace(inputs=inputs or (spec,), task=task, classes=classes if task == "classification" else ())


def making(names, **data):
    return augment.make(SimpleNamespace(augment=names), image_data(**data))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(rows=64, channels=3, height=20, width=20, seed=5):
    return torch.randint(0, 256, (rows, channels, height, width), dtype=torch.uint8, generator=generator(seed))


def classes(rows=64):
    return torch.arange(rows) % 3


def test_no_augmentation_is_no_object():
    assert making(()) is None


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_shape_stays_and_the_same_generator_gives_the_same_batch(name, channels, dtype):
    change = making((name,), channels=channels)
    x = images(channels=channels).to(dtype)
    torch.manual_seed(1)
    (first,), target = change((x,), classes(), generator(3))
    torch.manual_seed(2)
    (second,), again = change((x,), classes(), generator(3))
    (other,), _ = change((x,), classes(), generator(4))
    assert first.shape == x.shape
    assert first.isfinite().all()
    assert torch.equal(first, second)
    assert torch.equal(target, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 255


def test_the_batch_handed_in_is_left_as_it_is():
    x = images()
    before = x.clone()
    making(ALL)((x,), classes(), generator())
    assert torch.equal(x, before)


def test_flip_mirrors_about_half_of_the_rows_and_leaves_the_others():
    x = images(rows=400)
    (out,), target = making(("flip",))((x,), classes(400), generator())
    same = (out == x).flatten(1).all(1)
    mirrored = (out == x.flip(3)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 150 < int(mirrored.sum()) < 250
    assert torch.equal(target, classes(400))


def test_crop_moves_by_whole_pixels_and_mirrors_what_comes_in():
    x = images(rows=200, height=20, width=30)
    (out,), _ = making(("crop",), height=20, width=30)((x,), classes(200), generator())
    most = augment.shift_of(20, 30)
    padded = torch.nn.functional.pad(x.float(), (most,) * 4, mode="reflect").to(torch.uint8)
    moves = set()
    for row in range(200):
        windows = {
            (down, right): padded[row, :, down : down + 20, right : right + 30]
            for down in range(2 * most + 1)
            for right in range(2 * most + 1)
        }
        found = [move for move, window in windows.items() if torch.equal(window, out[row])]
        assert len(found) == 1
        moves.add(found[0])
    assert out.dtype == torch.uint8
    assert most == 2
    assert len(moves) > 15  # of 25


def test_rotate_turns_around_the_middle_by_a_small_angle_without_shear():
    height, width = 41, 81
    x = torch.zeros(50, 1, height, width)
    x[:, 0, 20, 60] = 255.0  # 20 pixels right of the middle
    (out,), _ = making(("rotate",), channels=1, height=height, width=width)((x,), classes(50), generator())
    weight = out[:, 0]
    total = weight.sum((1, 2))
    down = (weight.sum(2) * torch.arange(height)).sum(1) / total - 20
    right = (weight.sum(1) * torch.arange(width)).sum(1) / total - 40
    radius, angle = (down**2 + right**2).sqrt(), torch.atan2(down, right).rad2deg()
    assert (radius - 20).abs().max() < 0.3
    assert angle.abs().max() <= augment.ROTATE_DEGREES + 0.5
    assert angle.abs().max() > 0.7 * augment.ROTATE_DEGREES


def test_cutout_sets_one_square_to_the_mean():
    x = images(rows=300, channels=1).clamp(max=90)
    (out,), _ = making(("cutout",), channels=1)((x,), classes(300), generator())
    cut = (out == 100)[:, 0]
    side = round(augment.CUTOUT_SHARE * 20)
    tall, wide = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), tall * wide)  # a rectangle, cut only by the border
    assert int(tall.max()) == int(wide.max()) == side
    assert int(tall.min()) > 0
    assert torch.equal(out[:, 0][~cut], x[:, 0][~cut])


def test_color_keeps_the_picture_recognisable_and_alpha_alone():
    x = images(channels=4).clamp(50, 200)
    (out,), _ = making(("color",), channels=4)((x,), classes(), generator())
    assert torch.equal(out[:, 3], x[:, 3].float())
    assert not torch.equal(out[:, :3], x[:, :3].float())
    ratio = out[:, :3].mean((1, 2, 3)) / x[:, :3].float().mean((1, 2, 3))
    assert ratio.min() > 1 - augment.COLOR_STRENGTH - 0.05
    assert ratio.max() < 1 + augment.COLOR_STRENGTH + 0.05


def test_color_leaves_grey_grey():
    x = images(channels=1).expand(-1, 3, -1, -1).contiguous()
    (out,), _ = making(("color",))((x,), classes(), generator())
    assert (out[:, 0] - out[:, 1]).abs().max() < 0.1


def flat_images(rows):
    """Row r is all r, so that what is mixed shows which rows and in which shares."""
    return torch.arange(rows, dtype=torch.float32).view(rows, 1, 1, 1).expand(rows, 1, 20, 20).contiguous()


def test_mixup_mixes_classes_by_the_share_of_the_pixels():
    rows = 200
    names = tuple(map(str, range(rows)))
    (out,), target = making(("mixup",), channels=1, classes=names)(
        (flat_images(rows),), torch.arange(rows), generator()
    )
    assert target.shape == (rows, rows)
    torch.testing.assert_close(target.sum(1), torch.ones(rows))
    torch.testing.assert_close(target @ torch.arange(rows).float(), out[:, 0, 0, 0], atol=1e-3, rtol=1e-4)
    own = target.diagonal()
    assert 0.4 < float(own.mean()) < 0.65  # Beta(0.2, 0.2), and a row in 200 is its own partner
    assert float(((own < 0.05) | (own > 0.95)).float().mean()) > 0.4


def test_cutmix_mixes_classes_by_the_area_of_the_box():
    rows = 300
    names = tuple(map(str, range(rows)))
    x = flat_images(rows)
    (out,), target = making(("cutmix",), channels=1, classes=names)((x,), torch.arange(rows), generator())
    kept = (out == x).flatten(1).float().mean(1)
    torch.testing.assert_close(target.diagonal(), kept)
    torch.testing.assert_close(target @ torch.arange(rows).float(), out.mean((1, 2, 3)), atol=1e-2, rtol=1e-4)
    assert all(len(row.unique()) <= 2 for row in out)
    touched = kept < 1
    assert 0.3 < float(touched.float().mean()) < 0.65
    assert float(kept[touched].min()) < 0.3


def test_mixup_and_cutmix_together_still_account_for_every_pixel():
    rows = 300
    names = tuple(map(str, range(rows)))
    (out,), target = making(("mixup", "cutmix"), channels=1, classes=names)(
        (flat_images(rows),), torch.arange(rows), generator()
    )
    torch.testing.assert_close(target.sum(1), torch.ones(rows))
    torch.testing.assert_close(target @ torch.arange(rows).float(), out.mean((1, 2, 3)), atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize(("task", "shape"), [("regression", ()), ("multilabel", (4,)), ("forecasting", (2, 3))])
def test_other_targets_are_mixed_as_their_rows_are(task, shape):
    rows = 100
    x = torch.randn(rows, 5, generator=generator(1))
    y = x.sum(1).view(-1, *(1,) * len(shape)).expand(rows, *shape).contiguous()
    features = (TensorSpec(name="x", shape=(5,)),)
    change = augment.make(SimpleNamespace(augment=("mixup",)), image_data(task=task, inputs=features))
    (out,), target = change((x,), y, generator())
    assert target.shape == y.shape
    torch.testing.assert_close(target, out.sum(1).view(-1, *(1,) * len(shape)).expand(rows, *shape))


def test_categories_are_exchanged_and_a_mixture_lasts_as_long_as_the_longer_row():
    rows = 200
    inputs = (
        TensorSpec(name="series", shape=(6, 1), role="sequence"),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
        TensorSpec(name="codes", shape=(2,), dtype="int64", role="categories", sizes=(300, 300)),
    )
    change = augment.make(SimpleNamespace(augment=("mixup",)), image_data(inputs=inputs))
    lengths = torch.arange(rows) % 6 + 1
    series = (torch.arange(6)[None] < lengths[:, None]).float().unsqueeze(2)
    codes = torch.arange(rows)[:, None].expand(rows, 2).contiguous()
    (mixed, length, swapped), _ = change((series, lengths, codes), classes(rows), generator())
    ends = (mixed[:, :, 0] > 0).sum(1)
    assert (ends <= length).all()
    assert (length >= lengths).all()
    assert swapped.dtype == torch.int64
    assert bool((swapped != codes).any())
    assert bool((swapped == codes).any())


def test_reconstruction_follows_every_change_but_the_cut():
    x = images()
    (out,), target = making(("flip", "crop", "cutout"), task="reconstruction")((x,), x, generator())
    cut = (out != target).any(1)
    assert not torch.equal(target, x)
    assert int(cut.flatten(1).sum(1).max()) <= 25
    assert bool(cut.any())


def test_a_batch_in_channels_last_stays_so():
    x = images().contiguous(memory_format=torch.channels_last)
    (out,), _ = making(("flip", "crop", "color", "cutout"))((x,), classes(), generator())
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("names", "data"),
    [
        (("crop",), {"inputs": (TensorSpec(name="x", shape=(5,)),)}),
        (("cutmix",), {"inputs": (TensorSpec(name="x", shape=(9,), role="tokens", sizes=(50,)),)}),
        (("mixup",), {"inputs": (TensorSpec(name="x", shape=(9,), role="tokens", sizes=(50,)),)}),
        (("mixup",), {"task": "reconstruction"}),
        (("cutmix",), {"task": "reconstruction"}),
    ],
)
def test_what_does_not_fit_the_data_is_refused(names, data):
    with pytest.raises(TrainwellError) as caught:
        making(names, **data)
    assert caught.value.code == "augmentation_does_not_fit"
