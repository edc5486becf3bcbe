"""From findings to the run that repairs: which fix is meant, and the calls that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Fix
from trainwell.contract.specs import PYTHON
from trainwell.runs.record import keep
from trainwell.tools.registry import carry_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.findings import Finding
    from trainwell.tools.services import Services


@dataclass(frozen=True)
class Candidate:
    """A fix that a call can make: `name` is the code of its finding, and for all but the first one its number."""

    name: str
    code: str
    fix: Fix


def candidates(findings: Sequence[Finding]) -> list[Candidate]:
    """The fixes that can be applied by calls, in the order of the findings, each patch once."""
    found: list[Candidate] = []
    for finding in findings:
        for number, fix in enumerate(finding.fixes, 1):
            name = finding.code if number == 1 else f"{finding.code}/{number}"
            if fix.next_call is not None and all(fix.patch != other.fix.patch for other in found):
                found.append(Candidate(name, finding.code, fix))
    return found


def fixable(services: Services, run: str, findings: Sequence[Finding]) -> list[Candidate]:
    """The candidates of a run, of which there is one at least.

    Raises:
        TrainwellError: `python_network`, `nothing_to_fix`.
    """
    if services.store.runs.spec(run).model.architecture == PYTHON:
        raise TrainwellError(
            "python_network", "This network lives in the Python program that trained it: no call can train it again.",
            argument="run", got=run, hint="Change the arguments there, as the patches of the findings say.",
            next_call=next_call("diagnose", run=run),
        )  # fmt: skip
    found = candidates(findings)
    if found:
        return found
    codes = ", ".join(finding.code for finding in findings)
    raise TrainwellError(
        "nothing_to_fix",
        f"No call can fix what was found: {codes}." if codes else "The rules see nothing wrong with this run.",
        argument="run", got=run,
        hint="A person must look at it: read cause and evidence." if codes else None,
        next_call=next_call("diagnose" if codes else "evaluate", run=run),
    )  # fmt: skip


def chosen(found: Sequence[Candidate], fix: str | None) -> Candidate | None:
    """The candidate that is meant by its name or its number in the answer; None when the choice is left open.

    Raises:
        TrainwellError: `unknown_fix`.
    """
    if fix is None:
        return None
    for number, candidate in enumerate(found, 1):
        if fix in {candidate.name, f"{candidate.code}/1" if candidate.name == candidate.code else "", str(number)}:
            return candidate
    raise TrainwellError(
        "unknown_fix", "This run has no fix of that name or number that a call could make.", argument="fix", got=fix,
        allowed=[candidate.name for candidate in found],
    )  # fmt: skip


def comparable(run: str, found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose twins learn from and are judged by the same rows as the run, of which there is one at least.

    Raises:
        TrainwellError: `other_rows`.
    """
    kept = [one for one in found if one.fix.next_call is not None and one.fix.next_call["tool"] != "prepare_data"]
    if kept:
        return kept
    raise TrainwellError(
        "other_rows", "The fix changes the rows, so that scores with and without it are of different tasks.",
        argument="verify", got=True, hint="Apply it, and judge the new run by itself.",
        next_call=next_call("diagnose", run=run, apply=True),
    )  # fmt: skip


async def start_repaired(services: Services, run: str, fix: Fix, key: str | None) -> str:
    """Start the run as a fix has it: an ordinary run, whose parent is the sick one.

    Args:
        services: The server's.
        run: The sick run.
        fix: One with a call.
        key: Idempotency key of the new run.

    Returns:
        The handle of the new run, or of the one that this key has already.

    Raises:
        TrainwellError: As build_model and train.
    """
    call = await training_call(services, run, fix)
    given = call["arguments"] | ({} if key is None else {"idempotency_key": key})
    child = (await carry_out(services, next_call("train", **given)))["run"]
    services.store.runs.update(child, parent=run)
    keep(services.workspace, services.store, child)
    return child


async def training_call(services: Services, run: str, fix: Fix) -> dict[str, Any]:
    """The call of train that makes a fix; rows that it changes are prepared first, a network is built."""
    call = fix.next_call
    if call is None:
        message = "only fixes with a call are candidates"
        raise ValueError(message)
    if call["tool"] == "train":
        return call
    changed: dict[str, Any] = {}
    if call["tool"] == "prepare_data":
        model = services.store.runs.spec(run).model
        changed["train_loader"] = (await carry_out(services, call))["data"]
        call = next_call(
            "build_model", data=changed["train_loader"], architecture=model.architecture, options=dict(model.options)
        )
    changed["model"] = (await carry_out(services, call))["model"]
    return next_call("train", **services.store.runs.get(run)["arguments"] | changed)
