"""The manifest's two exercises, on the part of MNIST that a package ships."""

import numpy as np
import pytest

from tests import mnist


@pytest.fixture
def save(services):
    """Save the first so many digits as arrays: `save("mnist.npz", 5000)`."""

    def saving(name, rows):
        images, labels = mnist.read()
        np.savez(services.workspace.root / name, images=images[:rows], labels=labels[:rows])

    return saving


@pytest.mark.slow
def test_exercise_1_a_perceptron_of_784_256_128_10_learns_mnist_from_the_defaults(call, trained, save):
    save("mnist.npz", 5000)
    data = call("prepare_data", source="mnist.npz")["data"]
    model = call("build_model", data=data, architecture="mlp", options={"hidden_dims": [256, 128]}, detail="full")
    widths = [layer["output_shape"] for layer in model["report"]["layers"] if layer["type"] == "Linear"]
    assert widths == [[256], [128], [10]]
    run = trained(data, "mlp", {"hidden_dims": [256, 128]})
    judged = call("evaluate", run=run)
    assert judged["rows"] == 1000
    assert judged["metrics"]["accuracy"] >= 0.93
    assert judged["baseline"]["beaten"]


def test_exercise_2_mixed_precision_is_as_good_as_full_precision(call, trained, save, services):
    save("part.npz", 1500)
    data = call("prepare_data", source="part.npz")["data"]
    accuracy = {}
    for precision in ("fp32", "bf16"):
        run = trained(data, "mlp", {"hidden_dims": [32]}, epochs=8, batch_size=64, precision=precision)
        assert f"precision {precision}: as asked" in (services.workspace.run_dir(run) / "log.txt").read_text()
        accuracy[precision] = call("evaluate", run=run)["metrics"]["accuracy"]
    assert accuracy["fp32"] > 0.8
    assert abs(accuracy["fp32"] - accuracy["bf16"]) < 0.04
