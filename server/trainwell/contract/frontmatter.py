"""YAML frontmatter as a small tree that remembers its lines, so that a complaint can name file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import yaml

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 1_000_000  # bytes
MOST_NODES = 20_000  # aliases count each time they are used, which ends a "billion laughs"
DEEPEST = 20

_Loader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def refusal(self, reason: str, **details: Any) -> TrainwellError:
        """The error for something wrong here; the caller raises it."""
        hint = "Mend this line, or start without --skill: `trainwell serve`."
        return TrainwellError("bad_manifest", f"{self.file}:{self.line}: {reason}", hint=hint, **details)


@dataclass(frozen=True)
class Scalar:
    """A single value as it was written; `plain` means without quotes."""

    place: Place
    text: str
    tag: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether nothing, `null` or `~` was written."""
        return self.tag == "null"


@dataclass(frozen=True)
class Sequence:
    """A list."""

    place: Place
    items: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    """A mapping from words to entries."""

    place: Place
    entries: dict[str, Entry]


Entry = Scalar | Sequence | Table


def read_frontmatter(path: Path) -> Table:
    """Read the frontmatter between the two `---` lines of a Markdown file.

    Raises:
        TrainwellError: `bad_manifest`, naming file, line and reason.
    """
    file = str(path)
    yaml_text, _ = _parts(_file_text(path), file)
    try:
        root = cast("yaml.Node | None", yaml.compose(yaml_text, Loader=_Loader))  # pyright: ignore[reportUnknownMemberType]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise Place(file, line).refusal(f"not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise Place(file, 1).refusal(f"not valid YAML: {quoted(str(error))}") from error
    if root is None:
        raise Place(file, 1).refusal("the frontmatter is empty")
    tree = _Tree(file).entry(root, 0)
    if not isinstance(tree, Table):
        raise tree.place.refusal("the frontmatter must be a mapping of keys to values")
    return tree


def read_document(path: Path) -> tuple[dict[str, Any], str]:
    """A Markdown file of ours: its frontmatter as plain values, and the text below.

    Raises:
        TrainwellError: `bad_manifest`, naming file, line and reason.
    """
    table = read_frontmatter(path)
    yaml_text, text = _parts(_file_text(path), str(path))
    values = cast("dict[str, Any]", yaml.load(yaml_text, Loader=_Loader))  # noqa: S506 - _Loader is a safe one
    return {name: values[name] for name in table.entries}, text


def _file_text(path: Path) -> str:
    place = Place(str(path), 1)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise place.refusal(f"the file is larger than {LARGEST_FILE} bytes")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise place.refusal("there is no such file") from error
    except UnicodeDecodeError as error:
        raise place.refusal(f"not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise place.refusal(f"cannot be read: {error.strerror}") from error


def _parts(text: str, file: str) -> tuple[str, str]:
    """The frontmatter, and what stands below it."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[0].rstrip() != "---":
        raise Place(file, 1).refusal("the file must begin with a line ---, the start of its YAML frontmatter")
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]) + "\n", "\n".join(lines[number + 1 :])
    raise Place(file, len(lines)).refusal("the frontmatter is not closed: there is no second line ---")


class _Tree:
    """Turns yaml's nodes into entries, within limits."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes = 0

    def entry(self, node: yaml.Node, depth: int) -> Entry:
        place = Place(self.file, node.start_mark.line + 2)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise place.refusal(f"more than {MOST_NODES} values")
        if depth > DEEPEST:
            raise place.refusal(f"nested deeper than {DEEPEST} levels")
        if isinstance(node, yaml.MappingNode):
            return self._table(node, place, depth)
        if isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            return Sequence(place, tuple(self.entry(item, depth + 1) for item in items))
        tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if tag not in {"str", "int", "float", "bool", "null", "timestamp"}:
            raise place.refusal(f"the tag {quoted(tag)} is not allowed here")
        style = cast("yaml.ScalarNode", node).style
        return Scalar(place, str(node.value), tag, plain=style in (None, ""))

    def _table(self, node: yaml.MappingNode, place: Place, depth: int) -> Table:
        entries: dict[str, Entry] = {}
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            key = self.entry(key_node, depth + 1)
            if not isinstance(key, Scalar):
                raise key.place.refusal("a key must be a word")
            if key.text in entries:
                raise key.place.refusal(f"the key {quoted(key.text)} stands here for the second time")
            entries[key.text] = self.entry(value_node, depth + 1)
        return Table(place, entries)
