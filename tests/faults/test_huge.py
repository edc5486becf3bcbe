"""Row 31: what is far too large is refused in words, before it costs memory."""

import json

import psutil
import pytest

from tests.faults.machinery import Server

MOST_GROWTH = 200 * 2**20  # bytes


@pytest.fixture
def lean(place):
    """A server that must not have grown by the end."""
    with Server(place.root) as server:
        server.call("system_info")
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        yield server
        assert process.memory_info().rss - before < MOST_GROWTH
        assert server.call("list_runs")["summary"]
        assert server.close() == 0
    place.sound()


def refusal(server, tool, **arguments):
    result = server.request("tools/call", {"name": tool, "arguments": arguments})["result"]
    assert result["isError"], result["content"]
    assert len(json.dumps(result)) < 5000
    return result["structuredContent"]["error"]["code"]


def test_a_request_of_twenty_megabytes_is_answered_in_words(lean):
    assert refusal(lean, "get_run", run="x" * 20_000_000)
    assert refusal(lean, "inspect_data", source=[{"a": "y" * 20_000_000}, {"a": "z"}])


@pytest.mark.parametrize(
    "layers",
    [
        ["ReLU"] * 10_000,
        [{"repeat": 500, "layers": [{"repeat": 500, "layers": ["ReLU"]}]}],
        [{"type": "Linear", "out_features": 2**31 - 1}] * 2,
    ],
    ids=["ten thousand", "nested", "wide"],
)
def test_a_network_that_is_far_too_large_is_refused_before_it_is_built(place, lean, layers):
    assert refusal(lean, "build_model", data=place.prepare()["train_loader"], layers=layers)


def test_a_table_of_ten_gigabytes_without_a_line_is_refused(place, lean):
    with (place.root / "sparse.csv").open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(10 * 2**30)
    assert refusal(lean, "inspect_data", source="sparse.csv") == "not_utf8"


def test_a_table_of_a_hundred_thousand_columns_is_refused_or_read_without_harm_to_the_server(place, lean):
    names = ",".join(f"c{number}" for number in range(100_000))
    row = ",".join("1" for _ in range(100_000))
    (place.root / "wide.csv").write_text("\n".join([names, row, row, row]))
    result = lean.request("tools/call", {"name": "inspect_data", "arguments": {"source": "wide.csv"}})["result"]
    assert len(json.dumps(result)) < 20_000
