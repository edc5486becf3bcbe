"""Which finding makes a run repair itself, and what the next attempt changes."""

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.specs import RetryPolicy
from trainwell.runs.repairs import alarm, next_repair

POLICY = RetryPolicy(max_attempts=3)


def finding(*patches, severity="critical", confidence=0.9):
    fixes = tuple(Fix(reason="It helps.", patch=patch, expected="Better.") for patch in patches)
    return Finding(
        code="divergence", severity=severity, symptom="It diverges.", cause="A rate.", confidence=confidence,
        evidence={}, fixes=fixes,
    )  # fmt: skip


def test_only_a_critical_finding_of_high_confidence_is_an_alarm():
    sure = finding()
    assert alarm([finding(severity="warning"), finding(confidence=0.7)]) is None
    assert alarm([finding(confidence=0.7), sure]) is sure


def test_the_same_patch_is_never_made_twice_and_a_network_is_not_changed_within_a_run():
    sick = finding({"train": {"lr": 0.1}}, {"build_model": {"options": {"dropout": 0}}}, {"train": {"warmup": 0.3}})
    first = next_repair(POLICY, 1, sick, [{}])
    assert first is not None
    assert (first.changes, first.goes_on) == ({"lr": 0.1}, True)
    second = next_repair(POLICY, 2, sick, [{"lr": 0.1}, {"lr": 0.1}])
    assert second is not None
    assert (second.changes, second.goes_on) == ({"lr": 0.1, "warmup": 0.3}, False)
    assert next_repair(POLICY, 3, sick, [{}]) is None
    assert next_repair(RetryPolicy(strategy="none"), 1, sick, [{}]) is None
