"""Schemas of answers: whole for our own check, in outline for tools/list."""

from typing import Any, Literal

from pydantic import Field

from trainwell.contract.answers import Answer, answer_schema, served_schema
from trainwell.contract.findings import Finding
from trainwell.contract.schema import compile_schema
from trainwell.contract.specs import Spec


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
