"""The manifest's exercise 2: mixed precision against fp32, and what else a profile says."""

import pytest

from trainwell.training.profiling import suggestion


@pytest.fixture
def digits(call):
    data = call("prepare_data", source="digits")["data"]
    return {"model": call("build_model", data=data)["model"], "train_loader": data}


def test_a_profile_times_precisions_parts_and_sizes_and_says_what_to_set(call, digits):
    told = call("profile", **digits, seconds=4, detail="full")

    assert {"fp32", "bf16"} <= told["precisions"].keys()
    assert told["precisions"]["fp32"]["times_fp32"] == 1.0
    assert all(one["ms"] > 0 for one in told["precisions"].values())
    assert set(told["parts"]) == {"data", "forward", "backward", "optimizer", "rest"}
    assert told["parts"]["forward"] > 0
    rows = [one["rows"] for one in told["batch_sizes"]]
    assert told["batch_size"] in rows
    assert rows == sorted(rows)
    assert told["largest_batch"]["rows"] == 1168
    assert told["compile"]["run"].startswith("compile off")
    assert "timed" in told["compile"]
    arguments = told["next_call"]["arguments"]
    assert {**digits, **told["suggested"]} == arguments


def test_a_given_batch_size_is_what_is_timed(call, digits):
    told = call("profile", **digits, seconds=2, batch_size=48)

    assert told["batch_size"] == 48
    assert told["next_call"]["arguments"]["batch_size"] >= 48


TIMES = {"fp32": {"ms": 10.0}, "bf16": {"ms": 4.0}}


def speeds(**by_rows):
    return [{"rows": int(rows[1:]), "samples_per_second": speed} for rows, speed in by_rows.items()]


def test_what_is_faster_is_suggested_and_what_is_not_is_left():
    suggested, words = suggestion("fp32", TIMES, 32, speeds(r32=1000, r64=1900, r128=1500))
    assert suggested == {"precision": "bf16", "batch_size": 64}
    assert "2.5 times as fast" in words[0]

    suggested, words = suggestion("bf16", TIMES, 64, speeds(r32=1000, r64=1900, r128=1950))
    assert suggested == {}
    assert len(words) == 2


def test_a_smaller_batch_is_told_of_and_not_set():
    suggested, words = suggestion("bf16", TIMES, 64, speeds(r32=3000, r64=1900))

    assert suggested == {}
    assert "batch_size 32" in words[1]
