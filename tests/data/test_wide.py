"""Wide tables are read in blocks; each column must come out as if it had been looked at by itself."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwell.data.table.columns import recognise, recognise_plain

CELLS = st.sampled_from(["1", "2.5", " 3 ", "-4e2", "007", "1e400", "nan", "", "?", "word", "9007199254740993", "0"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=12), st.integers(0, 50))
def test_a_block_says_of_each_column_what_a_look_at_it_alone_says(columns, seed):
    generator = np.random.default_rng(seed)
    plain = {f"n{place}": [f"{value:.3f}" for value in generator.normal(size=4)] for place in range(100)}
    odd = {f"c{place}": cells for place, cells in enumerate(columns)}
    frame = pl.DataFrame(plain | odd)

    found = recognise_plain(frame)

    assert set(found) >= set(plain)
    for name, (column, values) in found.items():
        alone, expected = recognise(frame[name])
        assert column == alone
        assert values.equals(expected)
        assert values.dtype == expected.dtype


def test_a_table_of_thousands_of_columns_becomes_a_trained_network(call, services):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(240, 3000)).round(2)
    lines = [",".join([*map(str, row), "yes" if row[:40].sum() > 0 else "no"]) for row in x]
    header = ",".join([*(f"gene{place}" for place in range(3000)), "ill"])
    (services.workspace.root / "genes.csv").write_text("\n".join([header, *lines]) + "\n")

    asked = call("inspect_data", source="genes.csv", target="ill")
    assert (asked["kind"], asked["rows"], asked["task"]) == ("tabular", 240, "classification")
    prepared = call("prepare_data", source="genes.csv", target="ill")
    assert prepared["inputs"]["x"] == [3000]
