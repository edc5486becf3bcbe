"""A security scanner reads what a client is told: descriptions, schemas and prompts, by YARA rules, offline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client

from tests.clients import npm
from tests.clients.connecting import NotContentError
from tests.contracts.tree import ROOT
from trainwell.protocol.server import build_server
from trainwell.tools.services import open_services

if TYPE_CHECKING:
    from pathlib import Path

SCANNER = ROOT / ".venv" / "scanner" / "bin" / "mcp-scanner"
#: Findings that say nothing: one rule takes "export", followed by "files", for the theft of files.
NO_MATTER = {("export_run", "CREDENTIAL HARVESTING"), ("export_model", "CREDENTIAL HARVESTING")}
#: Without it the scanner asks the network for the prices of language models, which it does not use here.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def scanned(folder: Path) -> str:
    """What the scanner says of the tools and prompts.

    Raises:
        NotContentError: It found something that is not known to be nothing.
    """
    anyio.run(_write_what_clients_are_told, folder)
    words = [str(SCANNER), "--analyzers", "yara,schema", "--format", "raw", "static",
             "--tools", str(folder / "tools.json"), "--prompts", str(folder / "prompts.json")]  # fmt: skip
    told = npm.run(words, folder, timeout=300, more=OFFLINE)
    items = json.loads(told[told.index("{") :])["scan_results"]
    found = {(_name(item), threat) for item in items for one in item["findings"].values() for threat in _threats(one)}
    if found - NO_MATTER or not items or any(item["status"] != "completed" for item in items):
        raise NotContentError(f"{sorted(found - NO_MATTER)} of {len(items)} scanned")
    known = f"; {len(found)} known to be nothing" if found else ""
    return f"{len(items)} tools and prompts, no threat by YARA rules and in schemas{known}"


def _name(item: dict[str, Any]) -> str:
    return item.get("tool_name") or item["prompt_name"]


def _threats(finding: dict[str, Any]) -> list[str]:
    return finding["threat_names"] if finding["total_findings"] else []


async def _write_what_clients_are_told(folder: Path) -> None:
    """The scanner reads a prompt's description only, so the text of the prompt is put there."""
    services = open_services(folder / "workspace")
    async with Client(build_server(services)) as client:
        tools = (await client.list_tools()).model_dump(by_alias=True, exclude_none=True, mode="json")
        prompts = [
            {"name": one.name, "description": f"{one.description}\n{await _text(client, one)}"}
            for one in (await client.list_prompts()).prompts
        ]
    services.store.database.close()
    (folder / "tools.json").write_text(json.dumps(tools), encoding="utf-8")
    (folder / "prompts.json").write_text(json.dumps({"prompts": prompts}), encoding="utf-8")


async def _text(client: Client, prompt: Any) -> str:
    given = {one.name: "latest" for one in prompt.arguments or []}
    return "\n".join(one.content.text for one in (await client.get_prompt(prompt.name, given)).messages)
