"""Explanations of networks whose reasons a test knows."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.factories import prepared_data
from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TargetColumn, TensorSpec
from trainwell.data import SplitArrays, load_split
from trainwell.evaluation.explaining import by_captum, explain
from trainwell.evaluation.explaining.saliency import attributions, integrated_gradients

torch.set_num_threads(1)


class Says(nn.Module):
    """Gives what a function of its inputs gives."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def two(score):
    """Logits of two classes. score: (B,)."""
    return torch.stack([-score, score], dim=1)


def explained(network, prepared, arrays, path, *, raw=None, **asked):
    picture = (path / "why.png", "t")
    found = explain(network, prepared, arrays, raw=raw or path / "none.parquet", picture=picture, **asked)
    assert (path / "why.png").read_bytes().startswith(b"\x89PNG")
    return found


def prepare(services, **arguments):
    with services.workspace.at_work():
        return data.prepare(services.workspace, arguments)


def test_columns_that_decide_come_first_and_twins_are_told_of(services, tmp_path):
    random = np.random.default_rng(0)
    heat, noise, more = random.normal(size=(3, 400)).tolist()
    rows = [
        {"noise": other, "heat": one, "warmth": one + 0.1 * third, "ice": "no" if one > 0 else "yes"}
        for one, other, third in zip(heat, noise, more, strict=True)
    ]
    prepared = prepare(services, rows=rows, target="ice")
    arrays = load_split(services.workspace, prepared, "test")
    found = explained(Says(lambda x: two(2 * (-x[:, 1] - x[:, 2]))), prepared, arrays, tmp_path)

    assert {one.name for one in found.features[:2]} == {"heat", "warmth"}
    assert all(one.counts for one in found.features[:2])
    assert found.features[2].name == "noise"
    assert not found.features[2].counts
    assert any("heat + warmth go together" in note for note in found.notes)
    assert "heat" in found.told()
    assert "1 of 3 matter less" in found.told()
    assert np.array_equal(arrays.inputs[0], load_split(services.workspace, prepared, "test").inputs[0])


def test_values_are_explained_in_r2_and_categories_of_many_levels_are_columns_too(services, tmp_path):
    random = np.random.default_rng(0)
    towns = random.integers(0, 70, 600)
    rows = [{"town": f"t{town}", "size": float(size), "rent": 10.0 * (town % 5) + float(size) / 10}
            for town, size in zip(towns, random.normal(size=600), strict=True)]  # fmt: skip
    prepared = prepare(services, rows=rows, target="rent", task="regression")
    levels = [int(level.removeprefix("t")) % 5 for level in prepared.encoding["columns"][0]["levels"]]
    value = torch.tensor([0, *levels], dtype=torch.float32)

    def guess(x, categories):
        return ((10 * value[categories[:, 0]] - prepared.target_mean) / prepared.target_std)[:, None]

    found = explained(Says(guess), prepared, load_split(services.workspace, prepared, "test"), tmp_path)

    assert found.unit == "Fall of r2"
    assert found.features[0].name == "town"
    assert found.features[0].importance == pytest.approx(2, abs=0.5)  # a shuffled guess is wrong twice the variance
    assert found.features[1].importance == 0.0


def test_a_forecast_that_reads_the_last_steps_of_one_channel_says_so(tmp_path):
    random = np.random.default_rng(0)
    past = random.normal(size=(300, 24, 2)).astype(np.float32)
    prepared = prepared_data(
        task="forecasting", kind="series", classes=(), class_counts=(), target_shape=(1, 1), target="heat",
        target_columns=(TargetColumn(name="heat"),),
        inputs=(TensorSpec(name="past", shape=(24, 2), role="sequence", sizes=(1,)),),
    )  # fmt: skip
    arrays = SplitArrays((past,), past[:, -1:, :1].copy(), np.arange(300))
    found = explained(Says(lambda x: x[:, -1, :1]), prepared, arrays, tmp_path)

    assert [one.name for one in found.features[:2]] == ["heat", "steps -3 to -1"]
    assert [one.name for one in found.features if one.counts] == ["heat", "steps -3 to -1"]


def images(rows=20, side=9):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (rows, 1, side, side)).astype(np.uint8)
    spec = TensorSpec(name="image", shape=(1, side, side), dtype="uint8", role="image", mean=(128.0,), std=(64.0,))
    return prepared_data(kind="images", inputs=(spec,)), SplitArrays((pixels,), np.arange(rows) % 2, np.arange(rows))


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap", "occlusion"])
def test_an_image_is_explained_by_the_place_that_moves_the_answer(tmp_path, method):
    prepared, arrays = images()
    corner = Says(lambda x: two((x[:, 0, :3, 6:].float() - 128).mean(dim=(1, 2)) / 10))
    before = torch.random.get_rng_state()
    found = explained(corner, prepared, arrays, tmp_path, method=method)

    assert found.features[0].name == "upper right"
    assert found.features[0].importance == pytest.approx(1)
    assert all(one.importance == pytest.approx(0) for one in found.features[1:])
    assert found.examples[0]["looks_at"][0] == "upper right 100%"
    assert torch.equal(torch.random.get_rng_state(), before)
    assert explained(corner, prepared, arrays, tmp_path, method=method).to_json() == found.to_json()


def test_without_captum_its_methods_are_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(by_captum, "find_spec", lambda _: None)
    with pytest.raises(TrainwellError, match="captum") as caught:
        explained(Says(two), *images(), tmp_path, method="occlusion")

    assert "trainwell[explain]" in str(caught.value.hint)


def test_columns_are_not_explained_by_a_method_for_images(services, tmp_path):
    prepared = prepare(services, rows=[{"a": n % 7, "b": n % 2} for n in range(60)], target="b")
    arrays = load_split(services.workspace, prepared, "test")
    with pytest.raises(TrainwellError) as caught:
        explained(Says(two), prepared, arrays, tmp_path, method="occlusion")

    assert (caught.value.code, caught.value.argument) == ("wrong_for_data", "method")


def test_attributions_add_up_to_what_the_output_gained(tmp_path):
    torch.manual_seed(0)
    _, arrays = images(rows=4)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(196, 3)).train()
    network = Says(lambda x: body((x.float() - 128) / 64))
    found = attributions(network, list(arrays.inputs), 0, (128.0,), integrated_gradients)
    with torch.no_grad():
        ends = network(torch.from_numpy(arrays.inputs[0])).numpy(), network(torch.full((1, 1, 9, 9), 128.0)).numpy()
    best = ends[0].argmax(axis=1)

    assert found.sum(axis=(1, 2, 3)) == pytest.approx(ends[0][np.arange(4), best] - ends[1][0, best], rel=0.01)


def test_the_word_that_decides_a_text_comes_first(services, tmp_path):
    words = ["the film was", "a story of", "we saw it with"]
    rows = [{"text": f"{words[n % 3]} {'good' if n % 2 else 'dull'} people {n % 7}", "label": "up" if n % 2 else "down"}
            for n in range(120)]  # fmt: skip
    prepared = prepare(services, rows=rows, target="label", kind="text")
    good, dull = (data.encode(prepared, rows=[{"text": word}]).inputs[0][0, 0] for word in ("good", "dull"))
    network = Says(lambda tokens, length: two((tokens == int(good)).sum(1) - 1.0 * (tokens == int(dull)).sum(1)))
    first = prepared.classes.index("down") == 0
    network = network if first else Says(lambda *inputs: network.function(*inputs).flip(1))
    folder = services.workspace.data_dir(prepared.handle)
    arrays = load_split(services.workspace, prepared, "test")
    found = explained(network, prepared, arrays, tmp_path, raw=folder / "raw_test.parquet")

    assert {one.name for one in found.features[:2]} == {"good", "dull"}
    assert all(one.counts for one in found.features[:2])
    assert all(one.importance == 0 for one in found.features[2:])
    assert next(iter(found.examples[0]["words"])) in {"good", "dull"}
    with pytest.raises(TrainwellError) as caught:
        explain(network, prepared, arrays, raw=tmp_path / "gone.parquet", picture=None)
    assert caught.value.code == "no_raw_rows"


def test_a_network_that_gives_its_inputs_back_has_no_reasons(tmp_path):
    with pytest.raises(TrainwellError) as caught:
        explain(nn.Identity(), prepared_data(task="reconstruction"), None, raw=tmp_path, picture=None)

    assert caught.value.code == "task_not_supported"
