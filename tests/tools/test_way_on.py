"""What a refusal that names no call of its own advises: the call set right from what is there."""

import anyio
import pytest

from tests import factories
from trainwell.runs import preloaded
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services


@pytest.fixture
def services(tmp_path, monkeypatch):
    async def broken(*_, **__):
        raise AssertionError("No worker is needed to refuse these calls.")

    monkeypatch.setattr(preloaded, "ask", broken)
    opened = open_services(tmp_path)
    yield opened
    opened.store.database.close()


def advice(services, tool, **arguments):
    outcome = anyio.run(call_tool, services, tool, arguments)
    assert outcome.is_error
    call = outcome.structured["error"]["next_call"]
    return call["tool"], call["arguments"]


def test_a_missing_handle_is_the_newest_one(services):
    services.store.artifacts.put_model(factories.model_spec())
    services.store.artifacts.put_data(factories.prepared_data())

    model, data = factories.model_spec().handle, factories.prepared_data().handle

    assert advice(services, "train") == ("train", {"model": model, "train_loader": data})


def test_where_nothing_was_made_the_way_begins_with_the_data(services, tmp_path):
    (tmp_path / "people.csv").write_text("age,town\n30,Bern\n")

    assert advice(services, "prepare_data") == ("inspect_data", {"source": "people.csv"})


def test_a_judgement_without_a_subject_takes_the_newest_run(services):
    factories.add_run(services.store)

    assert advice(services, "evaluate") == ("evaluate", {"run": "run_toy_000001"})
    assert advice(services, "evaluate", run="run_toy_000001", checkpoint="ckpt_x") == (
        "evaluate", {"run": "run_toy_000001"},
    )  # fmt: skip


def test_an_unknown_handle_is_answered_with_the_newest_of_its_kind(services):
    services.store.artifacts.put_data(factories.prepared_data())

    tool, arguments = advice(services, "build_model", data="data_of_nobody", architecture="mlp")

    assert (tool, arguments) == ("build_model", {"data": factories.prepared_data().handle, "architecture": "mlp"})


def test_only_the_entry_at_fault_leaves_an_object(services):
    tool, arguments = advice(services, "diagnose", metrics={"train_loss": [2.0, 1.0], "zzz": 43})

    assert (tool, arguments) == ("diagnose", {"metrics": {"train_loss": [2.0, 1.0]}})


def test_a_wrong_ending_is_replaced_by_the_right_one(services):
    factories.add_run(services.store)

    assert advice(services, "save_checkpoint", run="latest", path="out/model.pt") == (
        "save_checkpoint", {"run": "run_toy_000001", "path": "out/model.safetensors"},
    )  # fmt: skip


def test_what_is_allowed_is_told_once(services):
    told = anyio.run(call_tool, services, "prepare_data", {}).text

    assert told.count("source, rows") == 1
