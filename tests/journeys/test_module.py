"""A person's own network through the front door: trained, saved, loaded, killed and resumed, and only where allowed."""

import anyio
import pytest

from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(61, width), nn.ReLU(), nn.Linear(width, 10))

    def forward(self, x):
        return self.layers(x)
"""
OPTIONS = {"module": "net.py:Net", "arguments": {"width": 64}}


@pytest.fixture
def services(tmp_path):
    """As started with --allow-code."""
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    opened = open_services(tmp_path, allow=["code"])
    yield opened
    opened.store.database.close()


def test_it_is_trained_saved_and_loaded_while_its_file_stays_as_it_was(call, refuse, trained, services):
    data = call("prepare_data", source="digits")["data"]
    built = call("build_model", data=data, module="net.py:Net", options={"width": 64})
    assert built["parameters"] == 62 * 64 + 65 * 10
    run = trained(data, "module", OPTIONS, epochs=15)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
    call("save_checkpoint", run=run, path="own.safetensors")
    loaded = call("load_checkpoint", path="own.safetensors")["checkpoint"]
    assert call("evaluate", checkpoint=loaded, data=data)["metrics"]["accuracy"] > 0.9

    (services.workspace.root / "net.py").write_text(NETWORK + "\nWIDTH = 3\n", encoding="utf-8")
    assert refuse("evaluate", run=run)["code"] == "module_changed"
    assert refuse("load_checkpoint", path="own.safetensors")["code"] == "module_changed"
    assert refuse("train", model=built["model"], train_loader=data)["code"] == "module_changed"


def test_a_process_without_permission_neither_builds_nor_trains_nor_judges_it(call, trained, services):
    data = call("prepare_data", source="iris")["data"]
    net = NETWORK.replace("61, width", "4, width").replace("width, 10", "width, 3")
    (services.workspace.root / "net.py").write_text(net, encoding="utf-8")
    model = call("build_model", data=data, **{"module": OPTIONS["module"], "options": OPTIONS["arguments"]})["model"]
    run = trained(data, "module", OPTIONS, epochs=2)
    plain = open_services(services.workspace.root)
    asked = [
        ("build_model", {"data": data, "module": "net.py:Net", "options": {"width": 64}}),
        ("build_model", {"data": data, "architecture": "module", "options": OPTIONS}),
        ("train", {"model": model, "train_loader": data}),
        ("evaluate", {"run": run}),
    ]
    outcomes = [anyio.run(call_tool, plain, tool, arguments) for tool, arguments in asked]
    plain.store.database.close()

    assert [outcome.structured["error"]["code"] for outcome in outcomes] == ["not_allowed"] * len(asked)
    assert all("--allow-code" in outcome.structured["error"]["hint"] for outcome in outcomes)


def test_a_killed_training_goes_on(call, resumes):
    data = call("prepare_data", source="digits")["data"]
    run = resumes(data, "module", OPTIONS, epochs=40, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
