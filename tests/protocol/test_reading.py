"""Resources, prompts, skills and completion through a real client, in both eras."""

import hashlib
import json

import pytest
from mcp import Client, MCPError
from mcp.client import advertise
from mcp.types import PromptReference, Request, ResourceTemplateReference, Result

from tests.protocol.conftest import RUN
from trainwell.data.table import shipped
from trainwell.protocol.completion import ARGUMENTS, SHIPPED
from trainwell.protocol.prompts import discover
from trainwell.protocol.resources import LOG_BYTES, TEMPLATES
from trainwell.tools.registry import discover as discover_tools

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", ["auto", "legacy"])]


async def read(client, address):
    return (await client.read_resource(address)).contents[0]


async def test_every_address_with_a_handle_in_it_leads_to_what_was_stored(server, stored, mode):
    async with Client(server, mode=mode) as client:
        listed = (await client.list_resource_templates()).resource_templates
        found = {}
        for template in listed:
            if template.mime_type == "image/png":
                continue
            kind = {"checkpoint": "ckpt"}.get(template.name, template.name.split("-")[0])
            handle = stored.store.newest(kind)[0]
            content = await read(client, template.uri_template.replace(f"{{{template.name.split('-')[0]}}}", handle))
            assert content.mime_type == template.mime_type
            found[template.name] = content.text

    assert len(listed) == len(TEMPLATES) == 8
    assert json.loads(found["run"])["state"] == "running"
    assert json.loads(found["run-config"])["config"]["optimizer"] == "adamw"
    assert json.loads(found["run-metrics"])["history"] == {
        "epoch": [1, 2], "step": [10, 20], "train_loss": [0.7, None], "val_loss": [0.6, 0.5], "skipped_steps": [0, 0],
    }  # fmt: skip
    assert found["run-log"] == "attempt 1 begins\n"
    assert json.loads(found["model"])["architecture"] == "mlp"
    assert json.loads(found["data"])["classes"] == ["a", "b"]
    assert json.loads(found["checkpoint"])["path"] == "toy.safetensors"


async def test_a_prefix_and_latest_will_do_in_an_address(server, mode):
    async with Client(server, mode=mode) as client:
        for word in ("latest", "run_toy", "000001"):
            assert json.loads((await read(client, f"trainwell://runs/{word}")).text)["run"] == RUN


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("trainwell://runs/run_tay_000001", "Did you mean 'run_toy_000001'"),
        ("trainwell://runs/latest/weights", "Known: trainwell://runs/{run}"),
        ("trainwell://runs", "Known: "),
        ("trainwell://runs/latest/log/more", "Known: "),
        ("trainwell://runs/../../etc/passwd", "Known: "),
        ("file:///etc/passwd", "Known: "),
        ("skill://deep-learning/../../README.md", "There is no skill file"),
    ],
)
async def test_an_address_with_nothing_behind_it_is_refused_with_what_there_is(server, mode, address, words):
    async with Client(server, mode=mode) as client:
        with pytest.raises(MCPError, match=r".") as caught:
            await client.read_resource(address)

    assert caught.value.code == -32602
    assert words in str(caught.value)
    assert caught.value.data["uri"] == address


async def test_of_a_long_log_the_end_is_told(server, stored, mode):
    log = stored.workspace.run_dir(RUN) / "log.txt"
    log.write_text("x" * LOG_BYTES + "\nthe end", encoding="utf-8")
    async with Client(server, mode=mode) as client:
        text = (await read(client, f"trainwell://runs/{RUN}/log")).text
        log.unlink()
        gone = (await read(client, f"trainwell://runs/{RUN}/log")).text

    assert len(text) == LOG_BYTES
    assert text.endswith("the end")
    assert gone == ""


async def test_the_list_has_the_newest_runs_and_every_skill(server, mode):
    async with Client(server, mode=mode) as client:
        listed = [str(one.uri) for one in (await client.list_resources()).resources]

    assert listed[0] == f"trainwell://runs/{RUN}"
    assert "skill://deep-learning/SKILL.md" in listed


async def test_every_prompt_is_filled_with_its_arguments_and_speaks_of_tools_that_exist(server, mode):
    async with Client(server, mode=mode) as client:
        listed = (await client.list_prompts()).prompts
        for prompt in listed:
            given = {one.name: f"my-{one.name}" for one in prompt.arguments}
            text = (await client.get_prompt(prompt.name, given)).messages[0].content.text
            assert all(value in text for value in given.values())
            assert "$" not in text
            assert any(f"`{tool}`" in text for tool in discover_tools())
        with pytest.raises(MCPError, match=r"needs run\. It takes <run>"):
            await client.get_prompt("fix_my_run")
        with pytest.raises(MCPError, match='has no argument "runs"'):
            await client.get_prompt("fix_my_run", {"run": "r", "runs": "s"})
        with pytest.raises(MCPError, match="Did you mean 'fix_my_run'"):
            await client.get_prompt("fix_run")

    assert [prompt.name for prompt in listed] == ["compare_runs", "fix_my_run", "mnist_exercise", "train_on_my_data"]


async def completed(client, ref, name, text="", **context):
    found = await client.complete(ref, {"name": name, "value": text}, context_arguments=context or None)
    return found.completion.values


async def test_every_argument_of_every_prompt_and_template_can_be_completed(server, stored, mode):
    (stored.workspace.root / "flowers.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    async with Client(server, mode=mode) as client:
        for template in TEMPLATES:
            ref = ResourceTemplateReference(uri=template.address)
            found = await completed(client, ref, template.variable, "toy")
            assert all(value.startswith(f"{template.kind}_") for value in found)
            assert await completed(client, ref, template.variable, "lat") == ["latest"]
        for name, prompt in discover().items():
            assert set(prompt.arguments) <= set(ARGUMENTS)
            ref = PromptReference(name=name)
            for argument in set(prompt.arguments) - {"source", "target"}:
                assert await completed(client, ref, argument, "run") == [RUN]
        sources = await completed(client, PromptReference(name="train_on_my_data"), "source")
        assert sources[0] == "flowers.csv"
        assert await completed(client, PromptReference(name="train_on_my_data"), "target") == []
        for ref, name in (
            (PromptReference(name="no_such_prompt"), "run"),
            (PromptReference(name="fix_my_run"), "epochs"),
            (ResourceTemplateReference(uri="trainwell://nets/{net}"), "net"),
        ):
            with pytest.raises(MCPError, match="There is no"):
                await completed(client, ref, name)

    assert set(SHIPPED) == set(shipped._FEATURES)


class Asked(Request):
    method: str
    params: dict


class AnyResult(Result, extra="allow"):
    pass


async def test_skills_come_with_digests_that_fit_their_files(server, mode):
    async with Client(server, mode=mode, extensions=[advertise("io.modelcontextprotocol/skills")]) as client:
        asked = Asked(method="skills/list", params={})
        skills = (await client.session.send_request(asked, AnyResult)).model_dump()["skills"]
        for file in (file for skill in skills for file in skill["resources"]):
            written = (await read(client, file["uri"])).text.encode()
            assert file["size"] == len(written)
            assert file["digest"] == f"sha256:{hashlib.sha256(written).hexdigest()}"
        asked = Asked(method="skills/get", params={"uri": "skill://deep-learning/SKILL.md"})
        one = (await client.session.send_request(asked, AnyResult)).model_dump()
        with pytest.raises(MCPError, match="There is no skill"):
            await client.session.send_request(Asked(method="skills/get", params={"uri": "skill://x"}), AnyResult)

    assert one["frontmatter"]["name"] == "deep-learning"
    assert one["resources"][0]["uri"] == one["uri"]
