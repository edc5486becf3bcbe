"""What verifications have shown, put beside the fixes that they tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.findings import Finding, Fix
    from trainwell.contract.verification import Verification


def with_proofs(findings: Sequence[Finding], verification: Verification | None) -> list[Finding]:
    """The findings, each fix with the proof of the same patch; their order stays."""
    if verification is None or not verification.over:
        return list(findings)
    return [one.model_copy(update={"fixes": _proven(one.fixes, verification)}) for one in findings]


def _proven(fixes: Sequence[Fix], verification: Verification) -> tuple[Fix, ...]:
    proofs = [(arm.patch, arm.proof) for arm in verification.fixes]
    return tuple(
        fix.model_copy(update={"proof": next((proof for patch, proof in proofs if patch == fix.patch), None)})
        for fix in fixes
    )
