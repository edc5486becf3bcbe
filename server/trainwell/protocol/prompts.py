"""Prompts that a person picks: one Markdown file each in commands/, which are Claude Code's slash commands as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from mcp import MCPError
from mcp.types import INVALID_PARAMS, GetPromptResult, PromptArgument, PromptMessage, TextContent
from mcp.types import Prompt as PromptListing

from trainwell.contract.errors import did_you_mean
from trainwell.contract.frontmatter import read_document
from trainwell.contract.text import plain, quoted
from trainwell.protocol.completion import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "commands"
NOT_GIVEN = "(not given)"
LONGEST_ARGUMENT = 500
_ARGUMENT = re.compile(r"(<|\[)([a-z_]+)[>\]]")


@dataclass(frozen=True)
class Prompt:
    """A prompt: `arguments` maps each name to whether it is needed; in `text` they stand as $name."""

    name: str
    description: str
    arguments: Mapping[str, bool]
    text: str

    def listing(self) -> PromptListing:
        """As prompts/list has it."""
        return PromptListing(
            name=self.name,
            title=self.name.replace("_", " ").capitalize(),
            description=self.description,
            arguments=[
                PromptArgument(name=name, description=ARGUMENTS[name].description, required=needed)
                for name, needed in self.arguments.items()
            ],
        )

    def filled(self, given: Mapping[str, str]) -> GetPromptResult:
        """The prompt with its arguments in place.

        Raises:
            MCPError: One is missing, or there is no such argument.
        """
        missing = [name for name, needed in self.arguments.items() if needed and not given.get(name)]
        unknown = [name for name in given if name not in self.arguments]
        if missing or unknown:
            wrong = f"needs {', '.join(missing)}" if missing else f"has no argument {quoted(unknown[0])}"
            raise MCPError(INVALID_PARAMS, f"The prompt {self.name} {wrong}. It takes {self.hint or 'nothing'}.")
        values = {name: plain(given.get(name) or NOT_GIVEN, LONGEST_ARGUMENT) for name in self.arguments}
        content = TextContent(type="text", text=Template(self.text).safe_substitute(values))
        return GetPromptResult(description=self.description, messages=[PromptMessage(role="user", content=content)])

    @property
    def hint(self) -> str:
        """Its arguments as a person reads them."""
        return " ".join(f"<{name}>" if needed else f"[{name}]" for name, needed in self.arguments.items())


def discover(folder: Path = FOLDER) -> dict[str, Prompt]:
    """Every prompt in the folder, by name."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.md"))}


def get(prompts: Mapping[str, Prompt], name: str, given: Mapping[str, str]) -> GetPromptResult:
    """A prompt, filled.

    Raises:
        MCPError: It is not known, or its arguments do not fit.
    """
    if name not in prompts:
        hint = did_you_mean(name, prompts) or f"Known: {', '.join(prompts)}."
        raise MCPError(INVALID_PARAMS, f"There is no prompt {quoted(name)}. {hint}")
    return prompts[name].filled(given)


def _read(path: Path) -> Prompt:
    front, text = read_document(path)
    hint = str(front.get("argument-hint", ""))
    arguments = {name: opening == "<" for opening, name in _ARGUMENT.findall(hint)}
    return Prompt(path.stem, str(front["description"]), arguments, text.strip() + "\n")
