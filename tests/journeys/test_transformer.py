from tests.texts import docstrings, write_table

SMALL = {"width": 32, "depth": 1}


def test_a_transformer_learns_texts_and_its_file_predicts_alike(call, refuse, trained, services):
    write_table(services.workspace.root / "docs.csv", docstrings())
    data = call("prepare_data", source="docs.csv", target="topic", options={"length": 24})["data"]
    run = trained(data, "transformer", SMALL, epochs=6, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.65
    rows = [{"text": "Design a digital low-pass filter."}]
    saved = call("save_checkpoint", run=run, path="out.safetensors")["checkpoint"]
    assert call("predict", checkpoint=saved, rows=rows) | {"summary": "", "next_call": None} == call(
        "predict", run=run, rows=rows
    ) | {"summary": "", "next_call": None}
    assert refuse("build_model", data=data, architecture="transformer", options={"width": 30, "heads": 4})["code"] == (
        "invalid_option"
    )


def test_a_killed_transformer_goes_on(call, resumes, services):
    write_table(services.workspace.root / "docs.csv", docstrings()[:500])
    data = call("prepare_data", source="docs.csv", target="topic", options={"length": 16})["data"]
    run = resumes(data, "transformer", SMALL, epochs=40, batch_size=16)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.5
