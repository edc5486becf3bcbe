"""What verifications have shown, put beside the fixes that they tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.findings import Finding, Fix
    from trainwell.contract.verification import Verification

#: A fix that is proven comes first, one that was not tried keeps its place, one that did not help goes last.
_RANK = {"proven": 0, "improved": 1, "not_tried": 1, "no_help": 2, "worse": 3}


def with_proofs(findings: Sequence[Finding], verification: Verification | None) -> list[Finding]:
    """The findings, their fixes with the proof of the same patch and in the order that the proofs give them."""
    if verification is None or not verification.over:
        return list(findings)
    return [one.model_copy(update={"fixes": _proven(one.fixes, verification)}) for one in findings]


def _proven(fixes: Sequence[Fix], verification: Verification) -> tuple[Fix, ...]:
    proofs = [(arm.patch, arm.proof) for arm in verification.fixes]
    told = [
        fix.model_copy(update={"proof": next((proof for patch, proof in proofs if patch == fix.patch), None)})
        for fix in fixes
    ]
    return tuple(sorted(told, key=lambda fix: _RANK[fix.proof.verdict] if fix.proof else 1))
