"""What a whole session costs an agent to read, through a real client over standard input and output."""

import json
import sys

import pytest
from mcp import Client, StdioServerParameters

ANSWERS, TEXT_BYTES, FIELD_BYTES = 8, 6_000, 9_000


@pytest.mark.slow
@pytest.mark.anyio
async def test_from_a_file_to_a_saved_model_in_under_eight_answers_and_six_kilobytes(tmp_path):
    answers = []

    async def ask(client, tool, **arguments):
        """Call until it is done: on a busy machine work may take longer than one answer waits."""
        while True:
            answer = await client.call_tool(tool, arguments)
            told = answer.structured_content
            if not answer.is_error:
                answers.append((tool, answer.content[0].text, told))
                return told
            assert told["error"]["code"] == "work_takes_long", told

    server = StdioServerParameters(
        command=sys.executable, args=["-m", "trainwell", "--workspace", str(tmp_path), "serve"]
    )
    async with Client(server) as client:
        seen = await ask(client, "inspect_data", source="breast_cancer")
        data = (await ask(client, seen["next_call"]["tool"], **seen["next_call"]["arguments"]))["data"]
        built = await ask(client, "build_model", data=data)
        run = (await ask(client, "train", **built["next_call"]["arguments"], epochs=5, wait_seconds=25))["run"]
        while (await ask(client, "get_run", run=run, wait_seconds=25))["state"] != "completed":
            answers.pop()
        await ask(client, "evaluate", run=run)
        await ask(client, "save_checkpoint", run=run, path="tumours.safetensors")

    text = {tool: len(text.encode()) for tool, text, _ in answers}
    fields = {tool: len(json.dumps(told, separators=(",", ":")).encode()) for tool, _, told in answers}
    assert (tmp_path / "tumours.safetensors").is_file()
    assert len(answers) < ANSWERS
    assert sum(text.values()) < TEXT_BYTES, text
    assert sum(fields.values()) < FIELD_BYTES, fields
    assert all(len(text.splitlines()) <= 6 for _, text, _ in answers)


@pytest.mark.parametrize("detail", ["brief", "full"])
def test_brief_answers_are_cut_and_full_ones_are_whole(call, detail):
    rows = [{"x": number * 7 % 31, "y": f"class {number % 12}"} for number in range(240)]
    data = call("prepare_data", rows=rows, target="y", detail=detail)["data"]
    built = call("build_model", data=data, detail=detail)["report"]

    assert isinstance(built["layers"], int if detail == "brief" else list)
