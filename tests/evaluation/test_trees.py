"""Trees beside a network: the same rows, another learner, an honest verdict."""

import numpy as np
import pytest

from tests.evaluation.networks import Echo
from trainwell.contract.specs import TensorSpec
from trainwell.data import load_split
from trainwell.data.table.columns_again import columns_again
from trainwell.evaluation import trees
from trainwell.evaluation.evaluate import evaluate
from trainwell.evaluation.trees import trees_for

TOWNS = [f"town {number}" for number in range(80)]
BOTH = pytest.mark.parametrize("library", ["lightgbm", "scikit-learn"])


def homes(rows=1200):
    """Rents that follow a step and a category, with gaps: what trees find at once."""
    random = np.random.default_rng(0)
    sizes, kinds = random.uniform(20, 200, rows), random.integers(0, 3, rows)
    towns = random.integers(0, len(TOWNS), rows)
    rents = np.where(sizes > 90, 900.0, 300.0) + 200 * (kinds == 1) + 5.0 * (towns % 7) + random.normal(0, 10, rows)
    return [
        {
            "size": None if place % 11 == 0 else round(float(size), 2),
            "kind": None if place % 13 == 0 else ("flat", "house", "barn")[kind],
            "town": TOWNS[town],
            "garden": bool(town % 2),
            "rent": round(float(rent), 2),
            "dear": "yes" if rent > 600 else "no",
            "band": ("low", "middle", "high")[int(rent > 500) + int(rent > 900)],
        }
        for place, (size, kind, town, rent) in enumerate(zip(sizes, kinds, towns, rents, strict=True))
    ]


def kept(services, call, target, *, drop):
    handle = call("prepare_data", rows=homes(), target=target, drop_columns=drop)["data"]
    return services.store.artifacts.data(handle)


@pytest.fixture
def rents(services, call):
    return kept(services, call, "rent", drop=["dear", "band"])


def beside(services, prepared, split="test"):
    return trees_for(services.workspace, prepared, prepared, split, load_split(services.workspace, prepared, split))


def judged(prepared, arrays, raw, found):
    """The evaluation of a network whose outputs are `raw`."""
    echo = prepared.model_copy(update={"inputs": (TensorSpec(name="x", shape=(raw.shape[1],)),)})
    rows = type(arrays)(inputs=(raw.astype(np.float32),), target=arrays.target, rows=arrays.rows)
    return evaluate(Echo(), echo, rows, split="test", trees=found)


def test_columns_come_back_out_of_a_networks_inputs(services, rents):
    arrays = load_split(services.workspace, rents, "test")
    found = columns_again(rents, arrays.inputs)
    raw = [homes()[row] for row in arrays.rows]
    by_name = dict(zip(["size", "kind", "garden", "town"], found.values.T, strict=True))

    assert found.levels == {1: 3, 3: len(TOWNS)}
    known = [place for place, row in enumerate(raw) if row["size"] is not None]
    assert np.isnan(by_name["size"]).tolist() == [row["size"] is None for row in raw]
    assert np.argsort(by_name["size"][known]).tolist() == np.argsort([raw[place]["size"] for place in known]).tolist()
    assert np.isnan(by_name["kind"]).tolist() == [row["kind"] is None for row in raw]
    for column in ("kind", "town"):
        pairs = {(row[column], code) for row, code in zip(raw, by_name[column], strict=True) if row[column] is not None}
        assert len(pairs) == len({name for name, _ in pairs}) == len({code for _, code in pairs})


@BOTH
@pytest.mark.parametrize(
    ("target", "drop", "metric", "least"),
    [("rent", ["dear", "band"], "r2", 0.85), ("dear", ["rent", "band"], "accuracy", 0.9),
     ("band", ["rent", "dear"], "accuracy", 0.8)],
    ids=["values", "two classes", "three classes"],
)  # fmt: skip
def test_trees_win_against_a_network_that_knows_nothing(
    services, call, monkeypatch, library, target, drop, metric, least
):
    monkeypatch.setattr(trees, "installed", lambda: {library: f"{library} 1.0"})
    prepared = kept(services, call, target, drop=drop)
    arrays = load_split(services.workspace, prepared, "test")
    found = beside(services, prepared)
    told = judged(prepared, arrays, np.zeros((len(arrays.target), prepared.num_outputs)), found)["trees"]

    assert told["metric"] == metric
    assert told["metrics"][metric] > least
    assert told["ahead"] == "trees"
    assert told["difference_interval"][1] < 0
    assert told["told"].startswith("Boosted trees win")
    assert f"{library} 1.0" in told["told"]


def test_the_verdict_is_by_pairs_of_rows(services, call):
    prepared = kept(services, call, "dear", drop=["rent", "band"])
    arrays = load_split(services.workspace, prepared, "test")
    found = beside(services, prepared)
    perfect = 9.0 * np.eye(2)[arrays.target]

    assert judged(prepared, arrays, found.raw, found)["trees"]["ahead"] == "neither"
    assert judged(prepared, arrays, perfect, found)["trees"]["ahead"] == "network"


def test_trees_are_grown_once_for_all_networks_of_the_data(services, rents, monkeypatch):
    first = beside(services, rents)
    monkeypatch.setattr(trees, "load", None)  # a library is not even imported
    again = beside(services, rents)

    assert np.array_equal(again.raw, first.raw)
    assert (again.library, again.rounds, again.seconds) == (first.library, first.rounds, first.seconds)


@BOTH
def test_trees_stop_when_their_time_is_up_and_say_so(services, rents, monkeypatch, library):
    monkeypatch.setattr(trees, "installed", lambda: {library: f"{library} 1.0"})
    monkeypatch.setattr(trees, "SECONDS", 0.0)
    found = beside(services, rents)

    assert found.rounds <= 10
    assert any("might still improve" in note for note in found.notes)


def test_without_a_library_of_trees_the_answer_says_what_to_install(services, rents, monkeypatch):
    monkeypatch.setattr(trees, "installed", dict)
    found = beside(services, rents)

    assert isinstance(found, str)
    assert "trainwell[trees]" in found


def test_a_library_that_cannot_be_loaded_gives_way_to_the_next(services, rents, monkeypatch):
    whole = trees.load
    monkeypatch.setattr(trees, "load", lambda package: None if package == "lightgbm" else whole(package))

    assert beside(services, rents).library.startswith("scikit-learn")


def test_rows_that_trees_learn_from_are_no_comparison(services, rents):
    assert beside(services, rents, "train") is None
