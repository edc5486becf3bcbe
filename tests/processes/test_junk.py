"""Generated junk through the real server over stdio: never a traceback to the agent, never a dead server."""

import json
import sys
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters

SCHEMAS = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parents[2] / "schemas" / "tools").glob("*.json")
}

WORDS = st.sampled_from(
    [
        "latest",
        "digits",
        "run_x_000000",
        "../../etc/passwd",
        "/etc/passwd",
        "nothing.csv",
        "a\0b",
        "",
        "~",
        "__class__",
        "x" * 5000,
        "\u202eevil",
        "NaN",
        "1",
        "true",
        "'; DROP TABLE runs; --",
        "$(id)",
        "{0.__class__}",
    ]
)
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1e-300, 1e300, 2**63, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=30)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def near(schema):
    """Values of about the right shape for a property, so that junk gets past the first check too."""
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    shapes = {
        "integer": st.integers(low := int(schema.get("minimum", 0)), max(low, min(int(schema.get("maximum", 5)), 5))),
        "number": st.floats(least := schema.get("minimum", 0), max(least, min(schema.get("maximum", 1), 1))),
        "boolean": st.booleans(),
        "string": WORDS,
        "array": st.lists(
            st.one_of(st.dictionaries(st.text(max_size=5), JSON, max_size=3), WORDS), min_size=1, max_size=4
        ),
        "object": st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    }
    return st.one_of([shapes[one] for one in kinds if one in shapes] or [JSON])


@st.composite
def calls(draw):
    tool = draw(st.sampled_from(sorted(SCHEMAS)))
    properties = SCHEMAS[tool]["inputSchema"]["properties"]
    arguments = {}
    for name, schema in properties.items():
        if name != "wait_seconds" and draw(st.integers(0, 2)) == 0:
            arguments[name] = draw(st.one_of(near(schema), near(schema), JSON))
    if draw(st.integers(0, 9)) == 0:
        arguments[draw(st.text(max_size=12))] = draw(JSON)
    return tool, arguments


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """The real server over stdio, asked from ordinary code."""
    workspace = str(tmp_path_factory.mktemp("junk"))
    server = StdioServerParameters(command=sys.executable, args=["-m", "trainwell", "--workspace", workspace, "serve"])
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:
        yield lambda tool, arguments: portal.call(client.call_tool, tool, arguments)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(call=calls())
def test_junk_is_answered_in_words_and_the_server_lives(ask, call):
    tool, arguments = call
    result = ask(tool, arguments)
    text = result.content[0].text
    assert "Traceback" not in text
    assert 'File "' not in text
    assert len(text) < 8000
    if result.is_error:
        error = result.structured_content["error"]
        assert error["code"] != "internal_error", (tool, arguments, text)
        assert error["message"]
    else:
        assert result.structured_content["summary"]


def test_after_all_that_the_server_still_answers(ask):
    assert not ask("system_info", {}).is_error
