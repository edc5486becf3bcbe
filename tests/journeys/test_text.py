from tests.texts import docstrings, write_folder, write_table


def test_texts_become_a_network_that_sorts_new_ones(call, refuse, trained, services):
    write_table(services.workspace.root / "docs.csv", docstrings())
    assert call("inspect_data", source="docs.csv")["next_call"]["arguments"]["target"] == "topic"
    data = call("prepare_data", source="docs.csv", target="topic")["data"]
    run = trained(data)
    # The commonest class has 0.38 of the rows.
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.75
    rows = [{"text": "Design a digital low-pass filter."}, {"text": "Find a root of a scalar function."}]
    assert call("predict", run=run, rows=rows)["predictions"] == ["signal", "optimize"]
    assert refuse("predict", run=run, rows=[{"words": "x"}])["code"] == "missing_column"


def test_a_folder_of_texts_trains_on_after_its_worker_was_killed(call, resumes, services):
    write_folder(services.workspace.root / "docs", docstrings()[:600])
    data = call("prepare_data", source="docs")["data"]
    run = resumes(data, "bag", {"width": 32}, epochs=60, batch_size=16)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.6
