"""From PNG files in folders to predictions on other PNG files, for each family of networks for images."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests import mnist


def known_and_new(root, images, labels):
    """`digits/CLASS/NUMBER.png`, and the last 60 in `new/`; gives the labels of those."""
    mnist.write_folder(root / "digits", images[:-60], labels[:-60])
    (root / "new").mkdir()
    for number, image in enumerate(images[-60:]):
        Image.fromarray(image).save(root / "new" / f"{number:02}.png")
    return [str(label) for label in labels[-60:]]


@pytest.fixture
def digits(services):
    """860 of MNIST, 28 x 28."""
    images, labels = mnist.read()
    return known_and_new(services.workspace.root, images[:860], labels[:860])


@pytest.fixture
def digits_8x8(services):
    """scikit-learn's 1,797: a transformer needs more of them, and they are smaller."""
    found = load_digits()
    return known_and_new(services.workspace.root, (found.images * 15.9).astype(np.uint8), found.target)


@pytest.fixture
def small_digits(services):
    """`small/CLASS/NUMBER.png`: scikit-learn's digits of 8 x 8 pixels."""
    found = load_digits()
    mnist.write_folder(services.workspace.root / "small", (found.images * 15.9).astype(np.uint8), found.target)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "family", "options", "least"),
    [
        ("digits", "auto", {}, 0.88),
        ("digits", "resnet", {}, 0.88),
        ("digits_8x8", "vit", {"patch_size": 2, "depth": 2}, 0.85),
    ],
)
def test_a_folder_of_images_becomes_a_network_that_reads_other_files(
    call, refuse, trained, request, images, family, options, least
):
    labels = request.getfixturevalue(images)
    seen = call("inspect_data", source="digits")
    prepared = call(seen["next_call"]["tool"], **seen["next_call"]["arguments"])
    run = trained(prepared["data"], family, options, epochs=12)
    judged = call("evaluate", run=run)
    assert judged["metrics"]["accuracy"] >= least
    assert judged["details"]["worst"][0]["values"]["image"].endswith(".png")
    told = call("predict", run=run, source="new")
    right = sum(said == label for said, label in zip(told["predictions"], labels, strict=False))
    assert right / len(told["predictions"]) >= least - 0.08
    inline = call("predict", run=run, rows=[{"path": "new/00.png"}, {"path": "new/01.png"}])
    assert inline["predictions"] == told["predictions"][:2]
    assert refuse("predict", run=run, rows=[{"path": "new/none.png"}])["code"] == "image_unreadable"
    assert refuse("predict", run=run, rows=[{"path": "/etc/passwd"}])["code"] == "image_unreadable"


@pytest.mark.parametrize(
    ("family", "options", "least"),
    [("cnn", {"channels": [8, 16]}, 0.93), ("resnet", {"width": 8}, 0.9), ("vit", {"patch_size": 2, "depth": 2}, 0.8)],
)
@pytest.mark.slow
def test_a_killed_training_on_images_goes_on(call, resumes, small_digits, family, options, least):
    data = call("prepare_data", source="small")["data"]
    run = resumes(data, family, options, epochs=25, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] >= least


def test_other_images_are_judged_by_their_own_raw_files(call, trained, small_digits, services):
    found = load_digits()
    images = (found.images[:300] * 15.9).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    mnist.write_folder(services.workspace.root / "enlarged", images, found.target[:300])
    run = trained(call("prepare_data", source="small")["data"], "cnn", {"channels": [8, 16]}, epochs=8)
    other = call("prepare_data", source="enlarged")
    assert other["inputs"] == {"image": [1, 16, 16]}
    assert call("evaluate", run=run, data=other["data"])["metrics"]["accuracy"] > 0.8


def test_what_is_wrong_with_a_folder_is_said_before_anything_is_trained(call, refuse, services):
    root = services.workspace.root
    (root / "loose").mkdir()
    (root / "empty").mkdir()
    for number in range(12):
        Image.new("L", (9, 9), number).save(root / "loose" / f"{number}.png")
    assert refuse("prepare_data", source="loose")["code"] == "missing_target"
    assert refuse("prepare_data", source="empty")["code"] == "no_images"
    assert refuse("prepare_data", source="loose", options={"size": 1})["code"] == "invalid_option"
    data = call("prepare_data", source="loose", task="reconstruction")["data"]
    refused = refuse("build_model", data=data, architecture="cnn", options={"channels": [8] * 8})
    assert refused["argument"] == "options/channels"
