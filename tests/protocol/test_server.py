"""The MCP server in memory, in both eras of the protocol."""

import base64
from dataclasses import replace

import pytest
from mcp import Client, MCPError
from mcp.types import ImageContent

from tests.tools.fake_tools import PNG, TOOLS, fake_services
from trainwell.protocol.instructions import INSTRUCTIONS
from trainwell.protocol.server import build_server

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", ["auto", "legacy"])]


@pytest.fixture
def server(tmp_path):
    return build_server(fake_services(tmp_path), TOOLS)


async def test_it_introduces_itself_and_lists_its_tools_with_both_schemas(server, mode):
    async with Client(server, mode=mode) as client:
        listed = (await client.list_tools()).tools

        assert client.instructions == INSTRUCTIONS
        assert len(INSTRUCTIONS.encode()) < 2048
        assert [tool.name for tool in listed] == ["train", "quiet"]
        assert listed[0].input_schema["properties"]["steps"]["maximum"] == 9
        assert listed[0].output_schema["properties"]["steps"] == {"type": "integer"}
        assert listed[0].annotations.open_world_hint is False


async def test_an_answer_comes_as_text_and_as_fields(server, mode):
    async with Client(server, mode=mode) as client:
        answer = await client.call_tool("train", {"steps": 2})

    assert not answer.is_error
    assert answer.structured_content["steps"] == 2
    assert answer.content[0].text.startswith("all good\nNext: {")
    assert len(answer.content) == 1


async def test_a_picture_comes_when_it_was_asked_for(server, mode):
    async with Client(server, mode=mode) as client:
        answer = await client.call_tool("train", {"plot": True})

    assert isinstance(answer.content[1], ImageContent)
    assert base64.b64decode(answer.content[1].data) == PNG


async def test_a_picture_that_is_gone_costs_the_answer_nothing(server, tmp_path, mode):
    (tmp_path / "picture.png").unlink()
    async with Client(server, mode=mode) as client:
        answer = await client.call_tool("train", {"plot": True})

    assert not answer.is_error
    assert len(answer.content) == 1


async def test_a_refusal_is_a_result_with_a_structured_error(server, mode):
    async with Client(server, mode=mode) as client:
        refused = await client.call_tool("train", {"stepz": 2})
        crashed = await client.call_tool("train", {"mood": "crash"})

    assert refused.is_error
    assert refused.structured_content["error"]["next_call"] == {"tool": "train", "arguments": {"steps": 2}}
    assert crashed.structured_content["error"]["code"] == "internal_error"


async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(server, mode):
    async with Client(server, mode=mode) as client:
        with pytest.raises(MCPError, match="Did you mean 'quiet'") as caught:
            await client.call_tool("quite", {})

    assert caught.value.code == -32602


async def test_progress_rises_with_every_message(server, mode):
    heard = []

    async def hear(done, total, message):
        heard.append(done)

    async with Client(server, mode=mode) as client:
        await client.call_tool("train", {"steps": 4}, progress_callback=hear)

    assert heard == [0, 1, 2, 3]


async def test_there_is_one_page_of_tools_only(server, mode):
    async with Client(server, mode=mode) as client:
        with pytest.raises(MCPError, match="cursor"):
            await client.list_tools(cursor="2")


async def test_a_tool_without_an_entry_in_the_manifest_keeps_the_server_from_starting(tmp_path, mode):
    with pytest.raises(TypeError, match="extra"):
        build_server(fake_services(tmp_path), {**TOOLS, "extra": replace(TOOLS["quiet"], name="extra")})
