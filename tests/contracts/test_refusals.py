"""Errors are part of the interface: each is read as text by a person, and each says what to call next."""

import json
import re

import pytest

from tests.contracts import refusals
from tests.contracts.codes import codes_of, unreadable_codes
from trainwell import cli
from trainwell.contract.manifest import load_manifest

#: Codes without a page, each with why nothing can bring it about here.
NOT_HERE: dict[str, str] = {}
#: What no call mends: the machine is looked at, for the person who must.
_FOR_A_PERSON = {"not_enough_memory", "out_of_memory", "runtime_folder_unsafe", "store_too_new"}
_SOURCES = {"inspect_data", "prepare_data"}


@pytest.fixture(scope="module", params=refusals.NAMES)
def provoked(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("refusals").resolve()
    return request.param, refusals.provoked(request.param, root), root


def test_refusals_read_as_they_were_read_by_a_person(provoked):
    name, found, root = provoked

    written = (refusals.PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert refusals.page(name, found, root) == written, f"run `python -m tests.contracts.refusals {name}` and read"


def test_every_refusal_of_a_tool_names_a_call_that_can_be_made(provoked):
    _, found, _ = provoked
    tools = load_manifest().tools
    for refusal in (one for one in found if one.door == "tool"):
        call = refusal.next_call
        assert call is not None, refusal
        assert list(tools[call["tool"]].validator.iter_errors(call["arguments"])) == [], refusal
        assert f"\nNext: {json.dumps(call, ensure_ascii=False)}" in refusal.text
        assert call["tool"] not in _SOURCES or len({"source", "rows"} & call["arguments"].keys()) == 1, refusal
        assert call["tool"] != "system_info" or refusal.code in _FOR_A_PERSON, refusal


def test_every_refusal_of_a_command_names_one_that_can_be_given(provoked):
    _, found, _ = provoked
    for refusal in (one for one in found if one.door == "command"):
        named = re.findall(r"`trainwell ([^`]+)`", refusal.text)
        assert named, refusal
        for words in named:
            cli.parsed(words.split())  # SystemExit where there is no such command


def test_every_refusal_of_a_program_says_what_would_be_right(provoked):
    _, found, _ = provoked
    for refusal in (one for one in found if one.door == "program"):
        assert "\n" in refusal.text or "allowed" in refusal.text, refusal


def test_no_refusal_shows_the_inside(provoked):
    _, found, root = provoked
    for refusal in found:
        for private in ("Traceback", "trainwell.contract", "pydantic", "site-packages", "<class", "None"):
            assert private not in refusal.text.replace(str(root), ""), (refusal, private)


def test_every_code_that_can_be_raised_has_a_page_or_a_reason():
    raised, shown = codes_of(), refusals.on_pages()

    assert raised - shown == NOT_HERE.keys()
    assert shown <= raised


def test_every_code_can_be_read_where_it_is_raised():
    assert unreadable_codes() == []
