"""Schemas of answers: whole for our own check, in outline for tools/list."""

from typing import Any, Literal

import pytest
from pydantic import Field

from trainwell.contract.answers import Answer, answer_schema, served_schema
from trainwell.contract.findings import Finding
from trainwell.contract.schema import compile_schema
from trainwell.contract.specs import Spec
from trainwell.contract.text import brief, duration, rounded, size


class Row(Spec):
    """A record that holds its own kind."""

    loss: float
    inner: "Row | None" = None


class Result(Answer):
    """One field of each sort."""

    run: str
    state: Literal["running", "completed"]
    seconds: float | None
    metrics: dict[str, float | None]
    rows: list[Row]
    findings: list[Finding] = Field(default_factory=list)
    anything: dict[str, Any] = Field(default_factory=dict)


SCHEMA = answer_schema(Result)


def fits(schema, value):
    return list(compile_schema(schema).iter_errors(value)) == []


def answer(**changes):
    return {"summary": "s", "run": "r", "state": "running", "metrics": {}, "rows": [], **changes}


def test_an_answer_with_its_empty_fields_left_out_fits_the_whole_schema():
    assert fits(SCHEMA, answer())
    assert fits(SCHEMA, answer(seconds=1.5, rows=[{"loss": 1.0, "inner": {"loss": 2}}], anything={"a": [1]}))


def test_a_number_that_is_not_finite_is_null_and_that_fits_too():
    assert fits(SCHEMA, answer(metrics={"val_loss": None}, rows=[{"loss": None}]))


def test_what_breaks_the_promise_is_seen():
    assert not fits(SCHEMA, answer(state="lost"))
    assert not fits(SCHEMA, answer(rows=[{}]))
    assert not fits(SCHEMA, answer(rows=[{"loss": "1"}]))
    assert not fits(SCHEMA, answer(unknown=1))
    assert not fits(SCHEMA, {"summary": "s"})


def test_the_outline_is_short_and_fits_answers_and_refusals_alike():
    outline = served_schema(SCHEMA, pictured=False)

    assert fits(outline, answer(seconds=1.5, next_call={"tool": "t", "arguments": {}}))
    assert fits(outline, {"summary": "no", "error": {"code": "c"}})
    assert not fits(outline, answer(unknown=1))
    assert outline["properties"]["rows"] == {"type": "array"}
    assert outline["properties"]["seconds"] == {"type": "number"}
    assert "picture" in served_schema(SCHEMA, pictured=True)["properties"]


def test_no_words_of_pydantic_are_left():
    assert not {"title", "description", "$defs", "$ref", "default"} & set(str(SCHEMA).replace("'", " ").split())


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0423, "0.042 s"), (9.96, "10 s"), (48.2, "48 s"), (200, "3 min 20 s"), (3599.9, "1 h"), (7500, "2 h 5 min")],
)
def test_a_time_is_told_in_the_unit_that_a_person_takes(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (1023, "1 KB"), (1536, "1.5 KB"), (50 * 2**20, "50 MB")])
def test_a_size_is_told_in_the_unit_that_a_person_takes(count, told):
    assert size(count) == told


@pytest.mark.parametrize(
    ("value", "told"), [(0.123456, "0.1235"), (12345.6, "12,346"), (-250000.0, "-250,000"), (3e12, "3e+12")]
)
def test_a_number_in_a_sentence_has_the_digits_that_matter(value, told):
    assert rounded(value) == told


def test_brief_json_says_what_it_left_out():
    whole = {"loss": 0.123456, "big": 123456.7, "rows": [1.23456] * 7, "few": ["a"], "deep": {"all": list(range(9))}}

    assert brief(whole, most=3) == {
        "loss": 0.1235, "big": 123457, "rows": [1.235] * 3, "rows_left_out": 4, "few": ["a"],
        "deep": {"all": [0, 1, 2], "all_left_out": 6},
    }  # fmt: skip
