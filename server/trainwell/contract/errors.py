"""The one error that reaches an agent: what was wrong, where, what is allowed, what to call instead."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.text import plain, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JsonObject = dict[str, Any]
MOST_ALLOWED, LONGEST_ALLOWED = 12, 240  # choices and characters that are told
LONGEST_WORD = 100  # characters compared; comparing takes time that grows with the square of the length


def next_call(tool: str, **arguments: Any) -> JsonObject:
    """A call that an agent can send as it stands: `{"tool": ..., "arguments": {...}}`."""
    return {"tool": tool, "arguments": arguments}


def call_line(call: JsonObject | None) -> str | None:
    """The call to make next, as the last line of an answer or a refusal."""
    return f"Next: {json.dumps(call, ensure_ascii=False)}" if call else None


class _Shown(str):
    """What was given, as it was quoted on the other side of a process boundary."""

    __slots__ = ()


class TrainwellError(Exception):
    """An anticipated failure.

    Args:
        code: Stable snake_case word for the kind of failure; tests assert on it, never on the text.
        message: One sentence: what was wrong.
        argument: JSON path of the argument at fault, such as `layers/2/out_features`.
        got: What was given; cut and quoted before it is shown.
        allowed: What would have been accepted.
        hint: What to do about it.
        next_call: The call to make instead, as made by `next_call`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        argument: str | None = None,
        got: Any = None,
        allowed: Any = None,
        hint: str | None = None,
        next_call: JsonObject | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.got = got
        self.allowed = allowed
        self.hint = hint
        self.next_call = next_call

    def __str__(self) -> str:
        """What a person or an agent reads, a line for each: the sentence, what to do, what is allowed."""
        return "\n".join(line for line in (self.message, self.hint, self._allowed_line()) if line)

    def _allowed_line(self) -> str | None:
        """What would have been accepted, unless the sentence or the hint says it already."""
        if self.allowed is None:
            return None
        choices = cast("list[Any]", self.allowed) if isinstance(self.allowed, list) else [self.allowed]
        shown = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False, default=str) for one in choices]
        said = f"{self.message} {self.hint or ''}".lower()
        if "allowed" in said or "did you mean" in said or all(one.lower() in said for one in shown):
            return None
        more = f", and {len(shown) - MOST_ALLOWED} more" if len(shown) > MOST_ALLOWED else ""
        return f"Allowed: {plain(', '.join(shown[:MOST_ALLOWED]), LONGEST_ALLOWED)}{more}."

    def to_json(self) -> JsonObject:
        """The error as the agent sees it; absent fields are left out."""
        got = self.got if self.got is None or isinstance(self.got, _Shown) else quoted(self.got)
        fields = {
            "code": self.code,
            "message": self.message,
            "argument": self.argument,
            "got": got,
            "allowed": self.allowed,
            "hint": self.hint,
            "next_call": self.next_call,
        }
        return {key: value for key, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TrainwellError:
        """The error again, after it crossed a process boundary."""
        told: dict[str, Any] = dict(fields)
        if told.get("got") is not None:
            told["got"] = _Shown(told["got"])
        return cls(**told)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, capitals aside, or None when none is like it."""
    by_lower = {name.lower(): name for name in sorted(known)}
    near = get_close_matches(word[:LONGEST_WORD].lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word, as a sentence, or None."""
    near = nearest(word, known)
    return f"Did you mean {near!r}?" if near else None


def extra_missing(library: str, extra: str, argument: str) -> TrainwellError:
    """The refusal where an optional library is not installed."""
    return TrainwellError(
        "extra_missing", f"This needs the library {library}, which is not installed here.", argument=argument,
        hint=f"Install it with: pip install 'trainwell[{extra}]'.",
    )  # fmt: skip
