"""Most of the input says nothing: its columns hold one value each.

Symptom: the network does badly, and so would neighbours.
Cause: a step before lost the content: a mask, a join, a tokenizer that knows no word.
Remedy: a person looks at the step that made the inputs; nothing here can bring back what is gone.
Source: reference/diagnosis.md, row 29 (constant columns > 60 %; constant tokens).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.rows import fact, shown, validation_fit
from trainwell.diagnosis.signals import GOOD_FIT

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART, "labels_misaligned", "split_leakage")

# Share of the columns that hold one value.
MOST = 0.6
# Different tokens in all texts together that are still some.
FEWEST_TOKENS = 3


def check(trace: Trace) -> Finding | None:
    """Judge by the share of constant columns, or by how many tokens there are, where the score is not good."""
    columns, constant, tokens = (fact(trace, name) for name in ("columns", "constant_columns", "distinct_tokens"))
    lost = columns and constant is not None and constant >= MOST * columns
    silent = tokens is not None and tokens < FEWEST_TOKENS
    reached = validation_fit(trace)
    if not (lost or silent) or (reached is not None and reached >= GOOD_FIT):
        return None
    what = f"{constant:.0f} of {columns:.0f} columns hold one value" if lost else "All texts are made of the same token"
    return Finding(
        code="constant_features",
        severity="warning",
        symptom=f"{what} in every training row.",
        cause="The inputs lost their content before they came here: look at the step that makes them.",
        confidence=0.9,
        cost="What these columns could tell.",
        evidence=shown({
            "columns": columns, "constant_columns": constant, "distinct_tokens": tokens, "network": reached,
        }),
    )  # fmt: skip
