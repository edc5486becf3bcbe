"""Class weights belong to classes."""


def test_class_weights_are_refused_where_there_are_no_classes(call, refuse):
    data = call("prepare_data", source="diabetes")["data"]
    model = call("build_model", data=data)["model"]
    error = refuse("train", model=model, train_loader=data, class_weights="balanced")
    assert (error["code"], error["argument"], error["allowed"]) == ("no_classes", "class_weights", "none")
    assert error["next_call"]["arguments"] == {"model": model, "train_loader": data}
    assert call("list_runs")["runs"] == []
