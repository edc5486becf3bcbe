"""A tool is a file, an entry in the manifest and two schemas, and all of them say the same."""

from __future__ import annotations

import ast
import importlib
import json

import pytest

from tests.contracts.tree import SCHEMAS, manifest, parsed, tool_modules
from trainwell.tools import schema_files


def test_each_tool_of_the_manifest_has_a_file_and_each_file_an_entry():
    assert set(tool_modules()) == set(manifest())


@pytest.mark.parametrize("name", sorted(tool_modules()))
def test_tool_takes_what_the_manifest_says(name):
    arguments = importlib.import_module(f"trainwell.tools.{name}").Arguments

    assert set(arguments.model_fields) == {parameter["name"] for parameter in manifest()[name]}


@pytest.mark.parametrize("name", sorted(tool_modules()))
def test_tool_introduces_itself(name):
    module = importlib.import_module(f"trainwell.tools.{name}")
    description = ast.get_docstring(parsed(tool_modules()[name]))

    assert 20 <= len(description) <= 600
    assert 3 <= len(module.TITLE) <= 40
    assert {"read_only", "destructive", "idempotent"} <= set(type(module.HINTS).__annotations__)


def test_the_schemas_that_are_committed_are_those_that_are_served():
    assert schema_files.differing() == [], "run `make schemas`"


@pytest.mark.parametrize("schema", sorted(SCHEMAS.rglob("*.json")), ids=lambda path: str(path.relative_to(SCHEMAS)))
def test_schema_closes_every_object_that_lists_its_properties(schema):
    def objects(node):
        if isinstance(node, dict):
            yield node
        inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, item in inner:
            if key != "if":  # a condition, not a shape
                yield from objects(item)

    document = json.loads(schema.read_text(encoding="utf-8"))
    properties_named = [
        item for item in objects(document) if isinstance(item.get("properties"), dict) and item.get("type") == "object"
    ]

    assert properties_named
    assert [item for item in properties_named if "additionalProperties" not in item] == []
