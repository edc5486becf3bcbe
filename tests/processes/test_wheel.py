"""The wheel in an empty environment, away from the checkout: what people install."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.contracts.tree import ROOT

pytestmark = pytest.mark.slow
SHIPPED = ["SKILL.md", *(str(path.relative_to(ROOT)) for path in [*ROOT.glob("skills/**/*"), *ROOT.glob("schemas/**/*")]
                         if path.is_file())]  # fmt: skip


def run(*words, folder):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HOME": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "--no-index"]
    run(*pip, "--wheel-dir", str(folder), str(ROOT), folder=folder)
    return next(folder.glob("trainwell-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of commands of an environment that holds the wheel; its dependencies are lent by a path file."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--no-deps", "--no-index"]
    run(*pip, str(wheel), folder=folder)
    packages = run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip()
    (Path(packages) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def test_it_holds_manifest_skills_schemas_and_prompts(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())

    assert {f"trainwell/_data/{name}" for name in SHIPPED} <= held
    assert "trainwell/protocol/commands/fix_my_run.md" in held
    assert not [name for name in held if name.startswith(("tests/", "docs/"))]


def test_its_command_tells_the_tools_that_the_checkout_has(installed, tmp_path):
    listed = json.loads(run(str(installed / "trainwell"), "tools", "--json", folder=tmp_path))
    here = [json.loads((ROOT / "schemas" / "tools" / f"{tool['name']}.json").read_text()) for tool in listed]

    assert [tool["inputSchema"] for tool in listed] == [schema["inputSchema"] for schema in here]


@pytest.mark.anyio
async def test_a_client_that_starts_it_without_a_word_is_served(installed, tmp_path):
    environment = {"TRAINWELL_WORKSPACE": str(tmp_path), "TRAINWELL_RUNTIME_DIR": os.environ["TRAINWELL_RUNTIME_DIR"]}
    server = StdioServerParameters(command=str(installed / "trainwell"), args=[], env=environment, cwd=tmp_path)
    async with Client(server) as client:
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        skill = await client.read_resource("skill://deep-learning/SKILL.md")
        runs = await client.call_tool("list_runs", {})

    assert "train_on_my_data" in prompts
    assert skill.contents[0].text == (ROOT / "skills" / "deep-learning" / "SKILL.md").read_text(encoding="utf-8")
    assert runs.structured_content["runs"] == []
