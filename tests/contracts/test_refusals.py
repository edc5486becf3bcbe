"""Errors are part of the interface: each is read as text, and each names a call that is valid."""

import pytest

from tests.contracts import refusals
from trainwell.runs import preloaded


@pytest.fixture(scope="module")
def provoked(tmp_path_factory):
    root = tmp_path_factory.mktemp("refusals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preloaded, "ask", refusals.ask_here)
        told, manifest = refusals.provoked(root)
    return told, manifest, root


def test_refusals_read_as_they_were_read_by_a_person(provoked):
    told, _, root = provoked

    assert refusals.page(told, root) == refusals.PAGE.read_text(), "run `python -m tests.contracts.refusals` and read"


def test_every_refusal_names_a_call_that_the_schemas_allow(provoked):
    told, manifest, _ = provoked
    for code, (_, _, outcome) in told.items():
        call = outcome.structured["error"].get("next_call")
        assert call is not None, code
        assert list(manifest.tools[call["tool"]].validator.iter_errors(call["arguments"])) == [], (code, call)
        assert "Next: " in outcome.text


def test_no_refusal_shows_the_inside(provoked):
    told, _, root = provoked
    for code, (_, _, outcome) in told.items():
        assert code != "internal_error"
        for private in ("Traceback", "trainwell.", "pydantic", "site-packages", "<class", "None"):
            assert private not in outcome.text.replace(str(root), ""), (code, private)
