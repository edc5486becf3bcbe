"""Skills over MCP (SEP-2640): the folders of skills/ with their files as resources, each with its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.types import INVALID_PARAMS, PaginatedRequestParams, ReadResourceResult, RequestParams, Resource
from mcp.types import TextResourceContents as Text

from trainwell.contract.frontmatter import read_document
from trainwell.contract.resources import resource
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server

    Context = ServerRequestContext[Any, Any]

EXTENSION = "io.modelcontextprotocol/skills"
SCHEME = "skill://"
MARKDOWN = "text/markdown"
FRESH_MS = 300_000


class OneSkill(RequestParams):
    """What skills/get takes."""

    uri: str


@dataclass(frozen=True)
class Skill:
    """A skill: its frontmatter as it stands in SKILL.md, and its files by address."""

    uri: str
    frontmatter: dict[str, Any]
    files: dict[str, str]

    def wire(self) -> dict[str, Any]:
        """As skills/list and skills/get have it."""
        listed = [
            {
                "uri": uri,
                "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
                "size": len(text.encode()),
            }
            for uri, text in self.files.items()
        ]
        return {"uri": self.uri, "frontmatter": self.frontmatter, "resources": listed}


class Skills:
    """The extension; skills are read once, when the server starts."""

    def __init__(self, folder: Path | None = None) -> None:
        root = folder or resource("skills")
        self._skills = [_read(root, path.parent) for path in sorted(root.glob("*/SKILL.md"))]
        self._files = {uri: text for skill in self._skills for uri, text in skill.files.items()}

    def join(self, server: Server[Any]) -> None:
        """Serve the extension's methods and tell clients of it."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("skills/list", PaginatedRequestParams, self._list)
        server.add_request_handler("skills/get", OneSkill, self._get)

    def listing(self) -> list[Resource]:
        """The skills themselves, for resources/list; what they refer to is read from there."""
        return [
            Resource(uri=skill.uri, name=skill.frontmatter["name"], mime_type=MARKDOWN,
                     description=skill.frontmatter["description"])
            for skill in self._skills
        ]  # fmt: skip

    def read(self, uri: str) -> ReadResourceResult:
        """One file.

        Raises:
            MCPError: There is none at this address.
        """
        if uri not in self._files:
            known = ", ".join(skill.uri for skill in self._skills)
            raise MCPError(INVALID_PARAMS, f"There is no skill file {quoted(uri, 200)}. Skills: {known}.", {"uri": uri})
        return ReadResourceResult(contents=[Text(uri=uri, mime_type=MARKDOWN, text=self._files[uri])])

    async def _list(self, _: Context, params: PaginatedRequestParams) -> dict[str, Any]:
        if params.cursor is not None:
            raise MCPError(INVALID_PARAMS, "Unknown cursor: all skills come in one page.")
        return _complete(skills=[skill.wire() for skill in self._skills])

    async def _get(self, _: Context, params: OneSkill) -> dict[str, Any]:
        found = next((skill for skill in self._skills if skill.uri == params.uri), None)
        if found is None:
            raise MCPError(INVALID_PARAMS, f"There is no skill {quoted(params.uri, 200)}.", {"uri": params.uri[:200]})
        return _complete(**found.wire())


def _complete(**fields: Any) -> dict[str, Any]:
    return {"resultType": "complete", **fields, "ttlMs": FRESH_MS, "cacheScope": "public"}


def _read(root: Path, folder: Path) -> Skill:
    files = [folder / "SKILL.md", *sorted(path for path in folder.rglob("*.md") if path.name != "SKILL.md")]
    texts = {f"{SCHEME}{path.relative_to(root).as_posix()}": path.read_text(encoding="utf-8") for path in files}
    return Skill(next(iter(texts)), read_document(files[0])[0], texts)
