"""What the papers say holds: names exist, calls are valid, links lead somewhere, the table is the manifest."""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import jsonschema
import pytest

from tests.contracts.papers import README, readme_with_table
from tests.contracts.tree import PACKAGE, ROOT, SCHEMAS, manifest, papers, parsed

# Words in code type that are not ours: commands, files and words of Python, PyTorch and the shell.
FOREIGN = {
    "claude",
    "code",
    "codex",
    "git",
    "main",
    "make",
    "mcp",
    "null",
    "pip",
    "python3",
    "torch",
    "true",
    "false",
    "trainwell",
    "val",
}
SPEAK_OF_TOOLS = [
    path for path in papers() if path == README or path == ROOT / "SKILL.md" or (ROOT / "skills") in path.parents
]
MOST_SKILL_LINES = 150
WORD = re.compile(r"[a-z][a-z0-9_]*")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ASSIGNED = re.compile(r"([a-z][a-z0-9_]*)(?:=|: )\S.*")
CALL = re.compile(r"^\s*(?:-> |trainwell (?:--\S+ \S+ )*call (?:--json )?)?([a-z_]+) '?(\{.*\})'?\s*$")
BEGINS_AS_CALL = re.compile(r"^\s*(?:-> )?([a-z_]+) '?\{")
SKILLS = sorted((ROOT / "skills").glob("*/SKILL.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path):
    return str(path.relative_to(ROOT))


def prose(path):
    """The text without frontmatter."""
    text = path.read_text(encoding="utf-8")
    return text.split("\n---\n", 1)[1] if text.startswith("---\n") else text


@cache
def known_words() -> frozenset[str]:
    """Tools, arguments, values, fields of answers, options of architectures, findings."""

    def words(node):
        if isinstance(node, dict):
            yield from node.get("properties", {}) if isinstance(node.get("properties"), dict) else ()
            yield from (item for item in node.get("enum", ()) if isinstance(item, str))
            yield from (node[key] for key in ("const", "default") if isinstance(node.get(key), str))
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from words(item)

    schemas = (json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.rglob("*.json"))
    rules = {path.stem for path in (PACKAGE / "diagnosis" / "rules").glob("*.py")}
    architectures = {path.stem for path in (SCHEMAS / "architectures").glob("*.json")}
    in_schemas = {word for schema in schemas for word in words(schema)}
    return (
        frozenset(manifest())
        | rules
        | architectures
        | in_schemas
        | spoken("data")
        | spoken("evaluation")
        | spoken("store")
        | spoken("training")
    )


def spoken(room):
    """The words that a room says in answers, such as codes of warnings and names of metrics: its string constants."""
    nodes = (node for path in (PACKAGE / room).rglob("*.py") for node in ast.walk(parsed(path)))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def calls(text):
    """Each `tool {arguments}` of a text, in a block or in a span of its own."""
    lines = [*text.splitlines(), *SPAN.findall(text)]
    return [
        (found[1], json.loads(found[2])) for line in lines if (found := CALL.match(line)) and found[1] in manifest()
    ]


@pytest.mark.parametrize("path", SPEAK_OF_TOOLS, ids=name_of)
def test_each_word_in_code_type_is_a_word_that_trainwell_knows(path):
    spans = SPAN.findall(prose(path))
    words = {span for span in spans if WORD.fullmatch(span)} | {
        found[1] for span in spans if (found := ASSIGNED.fullmatch(span))
    }

    assert words - known_words() - FOREIGN == set()


@pytest.mark.parametrize("path", SPEAK_OF_TOOLS, ids=name_of)
def test_each_call_that_is_shown_would_be_accepted(path):
    for tool, arguments in calls(prose(path)):
        schema = json.loads((SCHEMAS / "tools" / f"{tool}.json").read_text(encoding="utf-8"))["inputSchema"]
        problems = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(arguments)]

        assert not problems, f"{tool} {arguments}: {problems}"


@pytest.mark.parametrize("path", SPEAK_OF_TOOLS, ids=name_of)
def test_each_line_that_begins_as_a_call_is_read_as_one(path):
    lines = prose(path).splitlines()
    begun = [line for line in lines if (found := BEGINS_AS_CALL.match(line)) and found[1] in manifest()]

    assert [line for line in begun if not CALL.match(line)] == []


@pytest.mark.parametrize("path", SKILLS, ids=name_of)
def test_a_skill_is_short_and_its_example_shows_calls_with_what_they_answered(path):
    text = prose(path)
    example = text.partition("## An example")[2]

    assert len(text.splitlines()) <= MOST_SKILL_LINES
    assert "Real output" in example
    assert calls(example)


def test_skills_speak_of_skills_that_exist():
    known = {path.parent.name for path in SKILLS}
    hyphened = re.compile(r"[a-z]+(?:-[a-z]+)+")
    named = {span for path in SKILLS for span in SPAN.findall(prose(path)) if hyphened.fullmatch(span)}

    assert named <= known


def test_the_papers_show_the_main_job_as_calls():
    shown = {tool for path in SPEAK_OF_TOOLS for tool, _ in calls(prose(path))}

    assert {"prepare_data", "build_model", "train", "evaluate", "save_checkpoint"} <= shown


@pytest.mark.parametrize("path", papers(), ids=name_of)
def test_each_link_into_the_repository_leads_somewhere(path):
    targets = [
        target.partition("#")[0] for target in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in target
    ]

    assert [target for target in targets if target and not (path.parent / target).exists()] == []


def test_the_table_of_tools_in_the_readme_is_the_manifest():
    assert README.read_text(encoding="utf-8") == readme_with_table(), "run `make schemas`"


def test_the_readme_fits_on_three_screens():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
