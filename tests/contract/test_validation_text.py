"""The language of validation texts: what it says is what JSON Schema then checks, and nothing else gets in."""

import math
import re
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from trainwell.contract.patterns import PatternRefusedError, check_pattern
from trainwell.contract.schema import compile_schema
from trainwell.contract.validation_text import ValidationTextError, compile_validation, parse_validation, read_number

NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)
)
SIGNS = st.sampled_from(["<", "<="])


def keywords(text, json_type="number", name="x"):
    return compile_validation(parse_validation(text, name), json_type)


def fits(schema, value):
    return next(iter(compile_schema(schema).iter_errors(value)), None) is None


@given(NUMBERS, NUMBERS, SIGNS, SIGNS, NUMBERS)
def test_a_range_lets_through_exactly_what_it_says(low, high, low_sign, high_sign, value):
    assume(low < high)
    inside = (low < value if low_sign == "<" else low <= value) and (
        value < high if high_sign == "<" else value <= high
    )

    assert fits(keywords(f"{low} {low_sign} x {high_sign} {high}"), value) == inside
    turned = {"<": ">", "<=": ">="}
    assert fits(keywords(f"{high} {turned[high_sign]} x {turned[low_sign]} {low}"), value) == inside
    assert fits(keywords(f"x {turned[low_sign]} {low}"), value) == fits(keywords(f"{low} {low_sign} x"), value)


@given(NUMBERS, NUMBERS, SIGNS, SIGNS, st.integers(-(10**6), 10**6))
def test_a_range_on_a_whole_number_is_said_with_whole_bounds(low, high, low_sign, high_sign, value):
    assume(low < high)
    try:
        schema = keywords(f"{low} {low_sign} x {high_sign} {high}", "integer")
    except ValidationTextError:
        assert math.ceil(high) - math.floor(low) <= 2
        return

    inside = (low < value if low_sign == "<" else low <= value) and (
        value < high if high_sign == "<" else value <= high
    )
    assert fits(schema, value) == inside
    assert all(isinstance(bound, int) for bound in schema.values())


@pytest.mark.parametrize(
    ("text", "json_type", "expected"),
    [
        ("1 <= x <= 1000", "integer", {"minimum": 1, "maximum": 1000}),
        ("1e-6 <= x <= 1", "number", {"minimum": 1e-6, "maximum": 1}),
        ("0 < x < 1", "number", {"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        ("0 < x < 10", "integer", {"minimum": 1, "maximum": 9}),
        ("x ≥ 2", "number", {"minimum": 2}),
        ("1 <= x <= 5", "string", {"minLength": 1, "maxLength": 5}),
        ("0 <= x <= 5", "array", {"maxItems": 5}),
        ("x > 2", "object", {"minProperties": 3}),
        ("one of: a, 'b c'", "string", {"enum": ["a", "b c"]}),
        ("one of: 1, 2", "integer", {"enum": [1, 2]}),
        ("matches /^[a-z]+$/", "string", {"pattern": "^[a-z]+$"}),
        ("Valid PyTorch model", "string", {"minLength": 1}),
        ("Non-empty list", "array", {"minItems": 1}),
        ("Valid number", "number", {}),
    ],
)
def test_each_form_compiles_to_the_keywords_of_its_type(text, json_type, expected):
    assert keywords(text, json_type) == expected


@pytest.mark.parametrize(
    ("text", "json_type"),
    [
        ("5 <= x <= 1", "number"),
        ("1 < x < 1", "number"),
        ("1 < x < 2", "integer"),
        ("1 <= x >= 2", "number"),
        ("1 <= y <= 2", "number"),
        ("1 <= 2 <= x", "number"),
        ("1 <= x <= 1e999", "number"),
        ("nan <= x", "number"),
        ("1 <= x <= 2 <= 3", "number"),
        ("len(x) <= 3", "array"),
        ("x < -1", "string"),
        ("1 <= x <= 2", "boolean"),
        ("one of: a, b", "boolean"),
        ("one of: a, b", "integer"),
        ("one of: a, , b", "string"),
        ("one of: a, a", "string"),
        ("one of a", "string"),
        ("matches /[a-z]/", "string"),
        ("matches ^a$", "string"),
        ("matches /^[a-z]$/", "integer"),
        ("__import__('os').system('true')", "string"),
        ("sensible", "string"),
        ("", "string"),
    ],
)
def test_what_cannot_be_parsed_or_met_is_refused(text, json_type):
    with pytest.raises(ValidationTextError):
        keywords(text, json_type)


@given(st.text(max_size=60), st.sampled_from(["integer", "number", "string", "boolean", "array", "object"]))
@example("1 <= x <= " + "9" * 400, "number")
@example("matches /^" + "(a|b)" * 30 + "$/", "string")
def test_any_text_is_either_compiled_or_refused(text, json_type):
    with suppress(ValidationTextError):
        list(compile_schema({"type": json_type, **keywords(text, json_type)}).iter_errors("a"))


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a*)*$",
        "^(a|aa)+$",
        "^([a-z]+)*$",
        "^a*a*$",
        "^a*[ab]*c$",
        "^a*b?a*c$",
        "^.*a.*b$",
        "^a{1,9}{1,9}$",
        "^(a|ab)(a|ab)(a|ab)(a|ab)(a|ab)(a|ab)(a|ab)(a|ab)(a|ab)$",
        "^a*a{1000}$",
        r"^(a)\1$",
        "^(?=a)a$",
        "^a|b$",
        "a+$",
        "^a+",
        "^[a$",
        "^(a$",
        "^[z-a]$",
        "^[[a]]$",
        "^(|a)b*$",
        "^a**$",
        r"^\bword\b$",
        "^" + "a" * 300 + "$",
    ],
)
def test_a_pattern_that_could_take_long_or_is_none_is_refused(pattern):
    with pytest.raises(PatternRefusedError):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$", "digits run 1", "-x"),
        ("^[ -~]{1,100}$", "any key", "ä"),
        (r"^.*\.csv$", "a.b.csv", "a.tsv"),
        (r"^(run|model)_[a-z]+-\d{2,}$", "run_abc-12", "data_abc-12"),
        (r"^[^/\\]+$", "name", "a/b"),
        ("^a?b*c+$", "abbc", "ab"),
        ("^[]a-]$", "]", "b"),
    ],
)
def test_a_pattern_of_the_accepted_form_means_what_it_says(pattern, good, bad):
    schema = {"type": "string", "pattern": check_pattern(pattern)}

    assert fits(schema, good)
    assert not fits(schema, bad)
    assert fits(schema, good + "\n") == (pattern == r"^[^/\\]+$")  # Python's $ would let a newline through


@given(st.text(alphabet="ab.[]()*+?{}^$|\\d,12-", max_size=14), st.sampled_from("ab1-"))
def test_an_accepted_pattern_ends_soon_on_text_made_to_mislead_it(body, letter):
    try:
        pattern = check_pattern(f"^{body}$")
    except PatternRefusedError:
        return

    # Were there anything to backtrack over twice, this would not come back.
    assert re.search(pattern, letter * 3000 + "!") is None or "." in body or "^" in body or "\\" in body


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_is_read_as_it_is_written(number):
    assume(len(str(number)) <= 40)

    assert read_number(str(number)) == number
    assert read_number("1e-6") == 1e-6
    assert read_number("0x10") is None
