"""What making a bad step again has shown, as evidence and as a cause in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.text import plain, rounded
from trainwell.diagnosis.settings import learning_rate

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# By the name that evidence has for it, where that differs.
_TOLD = {
    "step": "first_bad_step", "layer": "layer", "tensor": "tensor", "rows": "rows", "bad_rows": "bad_rows",
    "batch_rows": "batch_rows", "inputs_finite": "inputs_finite", "target_finite": "target_finite",
    "largest_input": "largest_input", "largest_weight": "largest_weight", "grad_norms": "last_grad_norms",
    "weights_not_finite": "weights_not_finite",
}  # fmt: skip


def bad_step(trace: Trace) -> dict[str, Any]:
    """The facts of the newest attempt that had a bad step; see `AttemptRecord.facts`."""
    found = [one.facts for one in trace.attempts if one.facts]
    return found[-1] if found else {}


def step_evidence(trace: Trace) -> dict[str, Any]:
    """First bad step, layer, tensor, rows and last gradient norms, as far as they were found."""
    facts = bad_step(trace)
    return {name: facts[key] for key, name in _TOLD.items() if facts.get(key) is not None}


def proven_cause(trace: Trace) -> tuple[str, str] | None:
    """The cause that making the step again has shown, with a sentence; None when it has shown none.

    Returns:
        `data`, `precision` or `learning_rate`, and why.
    """
    facts = bad_step(trace)
    where = f"in {plain(str(facts['layer']))} at step {facts['step']}" if "layer" in facts else ""
    shows = f"; it shows {where}" if where else ""
    numbers: list[int] = facts.get("rows", [])
    rows = ", ".join(map(str, numbers))
    norms: list[float] = facts.get("grad_norms", [])
    match facts.get("cause"):
        case "data" if not (facts["inputs_finite"] and facts["target_finite"]):
            what = "target" if facts["inputs_finite"] else "inputs"
            return "data", f"The {what} of {rows_told(rows, facts)} hold NaN or infinity{shows}."
        case "data":
            return "data", (
                f"{rows_told(rows, facts).capitalize()} hold numbers of extreme size (up to "
                f"{rounded(facts.get('largest_input'))}); without them the same step is finite."
            )
        case "precision":
            return "precision", f"Half precision overflows {where}; in full precision the same step is finite."
        case "learning_rate":
            grown = f", with gradient norms up to {rounded(max(norms))}" if norms else ""
            return "learning_rate", (
                f"The updates drove the weights to {rounded(facts.get('largest_weight'))}{grown}: the learning rate "
                f"{rounded(learning_rate(trace))} is too high" + (f"; it broke {where}." if where else ".")
            )
        case _:
            return None


def rows_told(rows: str, facts: dict[str, Any]) -> str:
    """The rows of a batch in words."""
    more = facts.get("bad_rows", 0) - len(facts.get("rows", ()))
    noun = "row" if facts.get("bad_rows") == 1 else "rows"
    # In a loop that is not ours the rows are counted within the batch.
    whole = "batch" if facts["split"] == "batch" else f"{facts['split']} part"
    return f"{noun} {rows}{f' and {more} more' if more > 0 else ''} of the {whole}"
