"""Column names: made clean and unique before anything else looks at them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_COLUMNS = 50_000
LONGEST_NAME = 200


def is_number(text: str) -> bool:
    """Whether a cell reads as a finite number."""
    try:
        return abs(float(text)) < float("inf") and "_" not in text
    except ValueError:
        return False


def tidy_names(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names without surrounding blanks; nameless columns get `column_<position>`. Returns names and notes."""
    names = [name.strip() or f"column_{position}" for position, name in enumerate(given, 1)]
    nameless = sum(not name.strip() for name in given)
    notes = [f"{nameless} of {len(names)} columns had no name and are called column_<position>."] if nameless else []
    return names, notes


def check_names(names: Sequence[str]) -> None:
    """Stop at names that cannot be told apart, and at far too many.

    Raises:
        TrainwellError: `too_many_columns`, `column_name_too_long`, `bad_column_name`, `duplicate_columns`.
    """
    if len(names) > MOST_COLUMNS:
        raise TrainwellError(
            "too_many_columns", f"The table has {len(names):,} columns.", argument="source",
            allowed=f"at most {MOST_COLUMNS:,} columns", hint="Give wide numeric data as .npz with X and y.",
        )  # fmt: skip
    longest = max(names, key=len, default="")
    if len(longest) > LONGEST_NAME:
        raise TrainwellError(
            "column_name_too_long", f"A column name has {len(longest):,} characters.", argument="source",
            got=longest, allowed=f"at most {LONGEST_NAME} characters", hint="Is the first line really the header?",
        )  # fmt: skip
    # Polars would take these for patterns over all columns.
    pattern = next((name for name in names if name == "*" or (name.startswith("^") and name.endswith("$"))), None)
    if pattern is not None:
        raise TrainwellError(
            "bad_column_name", "A column has the form of a pattern as its name.", argument="source", got=pattern,
            allowed="names other than * and ^...$", hint="Rename the column.",
        )  # fmt: skip
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        shown = ", ".join(quoted(name) for name in twice[:5])
        raise TrainwellError(
            "duplicate_columns", f"Column names occur more than once: {shown}.", argument="source",
            hint="Give every column a name of its own.",
        )  # fmt: skip


def require(names: Iterable[str], known: Sequence[str], argument: str) -> None:
    """Every name is a column.

    Raises:
        TrainwellError: `missing_column`, with the nearest name.
    """
    there = set(known)
    for name in names:
        if name not in there:
            raise TrainwellError(
                "missing_column",
                "There is no column of this name.",
                argument=argument,
                got=name,
                allowed=[known_name[:80] for known_name in known[:20]],
                hint=did_you_mean(name, known),
            )
