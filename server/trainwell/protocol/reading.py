"""What a client may read beside the tools: prompts, resources, and what completes their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.types import (
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
)

from trainwell.protocol import completion, prompts, resources, skills
from trainwell.protocol.calling import one_page

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.types import (
        CompleteRequestParams,
        CompleteResult,
        GetPromptRequestParams,
        PaginatedRequestParams,
        ReadResourceRequestParams,
    )

    from trainwell.tools.services import Services

    Context = ServerRequestContext[Any, Any]
    Page = PaginatedRequestParams | None


class Reading:
    """Answers the requests that only read. Prompts and skills are read from their files once, at the start."""

    def __init__(self, services: Services, known: skills.Skills) -> None:
        self._services = services
        self._skills = known
        self._prompts = prompts.discover()

    async def prompts(self, _: Context, params: Page) -> ListPromptsResult:
        """Answer prompts/list."""
        one_page(params)
        return ListPromptsResult(prompts=[prompt.listing() for prompt in self._prompts.values()])

    async def prompt(self, _: Context, params: GetPromptRequestParams) -> GetPromptResult:
        """Answer prompts/get."""
        return prompts.get(self._prompts, params.name, params.arguments or {})

    async def resources(self, _: Context, params: Page) -> ListResourcesResult:
        """Answer resources/list: the newest runs, then the skills."""
        one_page(params)
        return ListResourcesResult(resources=[*resources.newest_runs(self._services), *self._skills.listing()])

    async def templates(self, _: Context, params: Page) -> ListResourceTemplatesResult:
        """Answer resources/templates/list."""
        one_page(params)
        return ListResourceTemplatesResult(resource_templates=resources.templates())

    async def resource(self, _: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Answer resources/read."""
        address = str(params.uri)
        if address.startswith(skills.SCHEME):
            return self._skills.read(address)
        return await resources.read(self._services, address)

    async def complete(self, _: Context, params: CompleteRequestParams) -> CompleteResult:
        """Answer completion/complete."""
        return await completion.complete(self._services, self._prompts, params)
