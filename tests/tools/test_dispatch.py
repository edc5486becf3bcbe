"""One call of a tool: whatever happens inside, an outcome comes back that an agent can use."""

import json
from functools import partial

import anyio
import pytest
from loguru import logger

from tests.tools.fake_tools import TOOLS, fake_services
from trainwell.contract.manifest import load_manifest
from trainwell.tools.dispatch import call_tool
from trainwell.tools.registry import discover, listings

LARGEST_LIST = 31_000  # bytes


@pytest.fixture
def ask(tmp_path):
    services = fake_services(tmp_path)

    def asking(tool="train", progress=None, **arguments):
        return anyio.run(partial(call_tool, services, tool, arguments, progress, tools=TOOLS))

    return asking


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lines.append, format="{message}", backtrace=False, diagnose=False)
    yield lines
    logger.remove(sink)


def test_an_answer_has_its_fields_a_text_with_the_next_call_and_its_picture(ask, tmp_path):
    outcome = ask(steps=5)

    assert not outcome.is_error
    assert outcome.structured == {
        "summary": "all good",
        "next_call": {"tool": "quiet", "arguments": {}},
        "picture": "picture.png",
        "steps": 5,
        "loss": 0.5,
    }
    assert outcome.text == 'all good\nNext: {"tool": "quiet", "arguments": {}}'
    assert outcome.picture == tmp_path / "picture.png"


def test_a_default_comes_from_the_manifest(ask):
    assert ask().structured["steps"] == 3


def test_a_number_that_is_not_finite_leaves_as_valid_json(ask):
    outcome = ask(mood="nan")

    assert not outcome.is_error
    assert "loss" not in json.loads(json.dumps(outcome.structured, allow_nan=False))


def test_a_refusal_by_the_tool_carries_its_code_hint_and_next_call(ask):
    outcome = ask(mood="refuse")

    assert outcome.is_error
    assert outcome.structured["error"]["code"] == "no_luck"
    assert outcome.text.splitlines() == [
        "no_luck: No luck today.",
        "Try tomorrow.",
        'Next: {"tool": "quiet", "arguments": {}}',
    ]


def test_a_mistaken_argument_never_reaches_the_tool(ask):
    outcome = ask(mood="crash", step=1)

    assert outcome.structured["error"]["code"] == "unknown_argument"
    assert outcome.structured["error"]["next_call"]["arguments"] == {"mood": "crash", "steps": 1}


def test_what_only_the_tools_own_class_sees_is_told_without_pydantics_words(ask):
    error = ask(mood="late").structured["error"]

    assert (error["code"], error["message"]) == ("invalid_argument", "it is too late")


@pytest.mark.parametrize(
    ("mood", "reason"), [("crash", "RuntimeError"), ("breach", "breaks its own schema at $.steps")]
)
def test_a_fault_of_ours_is_logged_in_full_and_told_in_one_sentence_with_a_reference(ask, logged, mood, reason):
    outcome = ask(mood=mood)

    assert outcome.structured["error"]["code"] == "internal_error"
    reference = outcome.structured["error"]["message"].rstrip(".").rsplit(" ", 1)[-1]
    log = "".join(map(str, logged))
    assert reference in log
    assert reason in log
    for private in ("Traceback", "RuntimeError", "nobody must see", "breaks"):
        assert private not in outcome.text


def test_an_unknown_tool_is_answered_with_the_nearest(ask):
    error = ask(tool="trian").structured["error"]

    assert (error["code"], error["hint"]) == ("unknown_tool", "Did you mean 'train'?")


def test_progress_reaches_whoever_asked_for_it(ask):
    heard = []

    async def tell(done, total, message):
        heard.append((done, total, message))

    ask(progress=tell, steps=2)

    assert heard[:2] == [(0, 2, "step 0"), (1, 2, "step 1")]


def test_every_file_with_a_title_is_a_tool_and_stands_in_the_manifest():
    listed = listings(load_manifest())

    assert {one["name"] for one in listed} == set(discover())
    for one in listed:
        assert set(one["annotations"]) == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        assert one["inputSchema"]["additionalProperties"] is False
        assert one["outputSchema"]["additionalProperties"] is False
        assert one["title"]
        assert len(one["description"]) < 600


def test_the_whole_list_stays_small():
    assert len(json.dumps({"tools": listings(load_manifest())}, separators=(",", ":"))) < LARGEST_LIST


def test_a_tool_that_stands_on_one_side_only_stops_the_server_at_its_start(tmp_path):
    manifest = fake_services(tmp_path).manifest

    with pytest.raises(TypeError, match="quiet"):
        listings(manifest, {"train": TOOLS["train"]})
