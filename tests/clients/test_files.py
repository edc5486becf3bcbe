"""The files that clients read: they agree with the package, and what docs/clients.md shows is what they do."""

import base64
import json
import re
import shlex
import tomllib
from urllib.parse import parse_qs, urlsplit

import pytest

import trainwell
from tests.contracts.tree import ROOT
from trainwell.cli import _parser
from trainwell.protocol.prompts import FOLDER, discover

GUIDE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
VERSIONED = ["manifest.json", "server.json", "gemini-extension.json", ".claude-plugin/plugin.json"]


def loaded(name):
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def blocks(language):
    return [text for found, text in BLOCK.findall(GUIDE) if found == language]


@pytest.mark.parametrize("name", VERSIONED)
def test_each_file_has_the_packages_version_and_its_sentence(name):
    file = loaded(name)

    assert file["version"] == trainwell.__version__
    assert file["description"] == loaded("manifest.json")["description"]
    assert all(package["version"] == trainwell.__version__ for package in file.get("packages", []))


def servers(node):
    """Every command with its arguments, wherever it stands in a client's settings."""
    if isinstance(node, dict):
        if isinstance(node.get("command"), str):
            yield [node["command"], *node["args"]]
        for item in node.values():
            yield from servers(item)


def commands():
    for name in ("manifest.json", "gemini-extension.json", ".mcp.json"):
        yield from servers(loaded(name))
    for text in blocks("json"):
        yield from servers(json.loads(text))
    for text in blocks("toml"):
        yield from servers(tomllib.loads(text))
    for line in (line for text in blocks("sh") for line in text.splitlines()):
        words = shlex.split(line)
        if "--" in words:
            yield words[words.index("--") + 1 :]


def test_every_command_that_a_client_is_told_serves():
    told = list(commands())
    for words in told:
        ours = words[max(index for index, word in enumerate(words) if word.endswith("trainwell")) + 1 :]
        assert _parser().parse_args(ours).branch.__name__ == "_serve", words

    assert len(told) >= 8


def test_the_link_for_cursor_holds_the_command_that_the_guide_shows():
    link = re.search(r"\]\((cursor://\S+)\)", GUIDE)[1]
    asked = parse_qs(urlsplit(link).query)

    assert asked["name"] == ["trainwell"]
    assert json.loads(base64.b64decode(asked["config"][0])) == {"command": "uvx", "args": ["trainwell", "serve"]}


def test_the_command_for_vs_code_holds_a_server_as_its_settings_do():
    asked = next(
        json.loads(shlex.split(line)[-1]) for text in blocks("sh") for line in text.splitlines() if "--add-mcp" in line
    )

    assert asked == {"name": "trainwell", "command": "uvx", "args": ["trainwell", "serve"]}


def test_the_container_copies_all_that_the_wheel_is_made_of():
    text = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    words = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    copied = {name for names in words for name in names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    built = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["project"]["readme"], *project["project"]["license-files"], *built["force-include"]}

    assert needed | {"pyproject.toml", "constraints.txt", "server"} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert text.index("\nUSER trainwell") < text.index("\nENTRYPOINT")
    assert "-c /wheels/constraints.txt" in text


def test_the_registry_finds_its_name_in_the_readme_that_the_package_index_shows():
    assert f"<!-- mcp-name: {loaded('server.json')['name']} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_plugin_offers_the_prompts_as_its_commands():
    plugin, market = loaded(".claude-plugin/plugin.json"), loaded(".claude-plugin/marketplace.json")

    assert (ROOT / plugin["commands"][0]).resolve() == FOLDER
    assert discover()
    assert market["plugins"][0]["name"] == plugin["name"]
    assert (ROOT / market["plugins"][0]["source"]).resolve() == ROOT


@pytest.mark.parametrize("prompt", discover().values(), ids=lambda prompt: prompt.name)
def test_a_command_names_its_arguments_as_the_prompt_does(prompt):
    text = (FOLDER / f"{prompt.name}.md").read_text(encoding="utf-8")
    found = re.search(r"^arguments: \[(.*)\]$", text, re.MULTILINE)

    assert list(prompt.arguments) == (found[1].split(", ") if found else [])
    assert set(re.findall(r"\$([a-z_]+)", text)) == set(prompt.arguments)
