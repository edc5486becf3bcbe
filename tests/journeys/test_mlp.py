import csv


def test_a_table_becomes_a_network_that_predicts_raw_rows(call, refuse, trained, services):
    flowers = [("sepal", "petal", "kind")]
    flowers += [(5 + i % 7 / 10 + (i % 3), 1 + i % 5 / 10 + (i % 3), "abc"[i % 3]) for i in range(150)]
    with (services.workspace.root / "flowers.csv").open("w", newline="") as file:
        csv.writer(file).writerows(flowers)
    data = call("prepare_data", source="flowers.csv", target="kind")["data"]
    run = trained(data, "mlp", epochs=20)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
    told = call("predict", run=run, rows=[{"sepal": 5.2, "petal": 1.2}, {"sepal": 7.2, "petal": 3.2}])
    assert told["predictions"] == ["a", "c"]
    assert refuse("predict", run=run, rows=[{"sepal": 5.2}])["code"] == "missing_column"


def test_a_killed_training_goes_on(call, resumes):
    data = call("prepare_data", source="digits")["data"]
    run = resumes(data, "mlp", {"hidden_dims": [64]}, epochs=40, batch_size=32)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
