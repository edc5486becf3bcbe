"""The one error that reaches an agent: what was wrong, where, what is allowed, what to call instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JsonObject = dict[str, Any]
LONGEST_WORD = 100  # characters compared; comparing takes time that grows with the square of the length


def next_call(tool: str, **arguments: Any) -> JsonObject:
    """A call that an agent can send as it stands: `{"tool": ..., "arguments": {...}}`."""
    return {"tool": tool, "arguments": arguments}


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
