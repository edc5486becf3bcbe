"""Laws that every rule keeps, whichever rules are found."""

import json
import math
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.diagnosis.tiny_runs import Case, fit
from trainwell.contract.checking import check_arguments
from trainwell.contract.manifest import load_manifest
from trainwell.contract.trace import AttemptRecord, EpochRecord, Trace
from trainwell.diagnosis import diagnose
from trainwell.diagnosis.repair import REACH
from trainwell.diagnosis.rule import rules

CODES = sorted(rules())
HANDLES = {"run": "run_digits_000001", "model": "model_mlp_000001", "data": "data_digits_000001"}
MEASURED = [field.name for field in fields(EpochRecord) if field.default is None]
TOLD = [
    "non_finite_loss", "out_of_memory", "loss_explodes", "loss_oscillates", "loss_stuck", "loss_slow", "score_stuck",
    "val_loss_rises", "train_val_gap", "train_poor", "lr_high", "lr_low",
]  # fmt: skip

anything = st.none() | st.floats() | st.floats(0, 3)
sane = {
    "lr": st.floats(1e-6, 1.0),
    "epochs": st.integers(1, 1000),
    "batch_size": st.integers(1, 65536),
    "accumulate": st.integers(1, 1024),
    "weight_decay": st.floats(0, 1),
    "grad_clip": st.floats(0, 1000),
    "early_stopping": st.integers(0, 1000),
    "label_smoothing": st.floats(0, 0.5),
    "optimizer": st.sampled_from(["adamw", "sgd"]),
    "scheduler": st.sampled_from(["onecycle", "cosine", "plateau", "constant"]),
    "precision": st.sampled_from(["auto", "fp32", "bf16", "fp16"]),
}
configs = st.fixed_dictionaries({}, optional=sane)
models = st.fixed_dictionaries(
    {},
    optional={
        "architecture": st.sampled_from(["mlp", "layers"]),
        "hidden_dims": st.lists(st.integers(1, 4096), max_size=4) | st.none(),
        "dropout": st.floats(0, 0.95) | st.none(),
        "batch_norm": st.booleans() | st.none(),
        "parameters": st.integers(1, 10**9) | st.none(),
    },
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from(["classification", "regression"]),
        "num_classes": st.integers(0, 20),
        "class_counts": st.lists(st.integers(0, 50), max_size=8),
        "train_rows": st.integers(0, 10**6),
        "validation_rows": st.integers(0, 10**5),
        "baseline": anything,
        "warnings": st.lists(st.sampled_from(["infinite_values", "id_column"]), max_size=2),
    },
)
records = st.lists(st.fixed_dictionaries(dict.fromkeys(MEASURED, anything)), max_size=14)
attempts = st.lists(
    st.builds(
        AttemptRecord,
        number=st.just(1),
        started_at=st.just(0.0),
        cause=st.none() | st.sampled_from(["out_of_memory", "non_finite_loss", "process_died"]),
        message=st.none() | st.text(max_size=20),
        changes=st.fixed_dictionaries({}, optional={"lr": sane["lr"], "grad_clip": sane["grad_clip"]}),
    ),
    max_size=3,
)
traces = st.builds(
    lambda rows, known, **rest: Trace(
        epochs=tuple(EpochRecord(epoch=number, step=number * 9, **row) for number, row in enumerate(rows, 1)),
        config={**known, "arguments": {name: known[name] for name in known if name in ("lr", "epochs")}},
        handles=HANDLES,
        **rest,
    ),
    rows=records,
    known=configs,
    model=models,
    data=facts,
    attempts=attempts.map(tuple),
    error=st.none() | st.sampled_from(["CUDA out of memory. Tried to allocate 2.00 GiB", "loss is nan", "x"]),
    told=st.frozensets(st.sampled_from(TOLD), max_size=3),
    finished=st.booleans(),
)


@pytest.fixture(scope="module")
def manifest():
    return load_manifest()


def test_the_six_rules_of_the_base_are_found_by_being_there():
    base = {"learning_rate_too_high", "non_finite_loss", "out_of_memory", "overfitting", "plateau", "underfitting"}

    assert base <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_rule_says_symptom_cause_remedy_and_source(code):
    said = rules()[code].__doc__

    assert all(f"\n{word}:" in said for word in ("Symptom", "Cause", "Remedy", "Source"))


@pytest.mark.parametrize("code", CODES)
def test_a_rule_is_silent_when_it_knows_nothing(code):
    assert rules()[code].check(Trace()) is None


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("lr", [1e-6, 2e-3, 1.0])
def test_a_rule_is_silent_after_the_first_epoch(code, lr):
    record = EpochRecord(1, 22, train_loss=2.29, val_loss=2.9, train_accuracy=0.5, val_accuracy=0.1, lr=lr)
    known = {"config": {"lr": lr, "optimizer": "adamw", "epochs": 20}, "data": {"num_classes": 10}}
    trace = Trace(epochs=(record,), finished=False, **known)

    assert rules()[code].check(trace) is None


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(trace=traces)
def test_no_trace_makes_a_rule_raise_or_repair_badly(manifest, trace):
    for code, rule in rules().items():
        finding = rule.check(trace)
        if finding is not None:
            assert finding.code == code
            json.dumps(finding.model_dump(), allow_nan=False)
            for fix in finding.fixes:
                if fix.patch:  # the others are for a person's hand
                    check_fix(manifest, trace, fix)


def check_fix(manifest, trace, fix):
    """The patch differs from what is, its call passes the served schema and carries the run's own arguments."""
    (tool,) = fix.patch
    changes = fix.patch[tool].get("options", fix.patch[tool])
    present = {**trace.config, **trace.model}
    for attempt in trace.attempts:
        present |= attempt.changes
    assert changes
    for name, value in changes.items():
        assert value != present.get(name)
        low, high = REACH.get(name, (-math.inf, math.inf))
        assert not isinstance(value, int | float) or isinstance(value, bool) or low <= value <= high
    if fix.next_call is None:  # nobody knows how these rows were prepared, so nobody can say how to prepare them anew
        assert tool == "prepare_data"
        assert not trace.data.get("asked")
        return
    check_arguments(manifest.tools[tool], fix.next_call["arguments"])
    assert fix.next_call["tool"] == tool
    if tool == "train":
        assert fix.next_call["arguments"] == {
            **trace.config["arguments"], "model": HANDLES["model"], "train_loader": HANDLES["data"], **changes,
        }  # fmt: skip


def test_repairs_stay_within_the_limits_of_the_manifest(manifest):
    properties = manifest.input_schema("train")["properties"]

    for name, (low, high) in REACH.items():
        if name in properties:
            limits = properties[name]
            assert limits.get("minimum", -math.inf) <= low <= high <= limits.get("maximum", math.inf), name


def test_narrower_limits_of_a_team_hold_for_repairs():
    slow = fit(Case(lr=1e-6))

    repairs = diagnose(replace(slow, config=slow.config | {"limits": {"lr": (None, 5e-6), "epochs": (1, 20)}}))[0].fixes

    assert [fix.patch["train"] for fix in repairs if "train" in fix.patch] == [{"lr": 5e-6}]


def test_a_repair_goes_on_from_what_the_last_retry_changed():
    retried = AttemptRecord(1, 0.0, cause="non_finite_loss", message="NonFiniteLoss: step 3", changes={"lr": 0.002})
    trace = Trace(attempts=(retried,), config={"lr": 0.02, "grad_clip": 1.0}, handles=HANDLES)

    (finding,) = diagnose(trace)

    assert finding.fixes[0].patch == {"train": {"lr": 0.0002}}


def test_clipping_is_not_advised_where_it_is_on():
    trace = Trace(told=frozenset({"non_finite_loss"}), config={"lr": 0.5, "optimizer": "adamw", "grad_clip": 1.0})

    (first, *others) = [fix.patch["train"] for fix in diagnose(trace)[0].fixes]

    assert set(first) == {"lr"}
    assert all("grad_clip" not in patch for patch in others)


def test_a_run_that_a_retry_saved_is_warned_of_not_condemned():
    healthy = fit(Case())
    attempts = (
        AttemptRecord(1, 0.0, 1.0, "failed", "out_of_memory", "CUDA out of memory.", {"micro_batch_divisor": 2}),
        AttemptRecord(2, 1.0, 2.0, "completed"),
    )
    trace = replace(healthy, attempts=attempts, config=healthy.config | {"micro_batch_divisor": 2})

    (finding,) = diagnose(trace)

    assert (finding.code, finding.severity) == ("out_of_memory", "warning")
    assert finding.fixes[0].patch == {"train": {"accumulate": 2}}


def test_without_handles_a_repair_names_the_patch_but_no_call():
    findings = diagnose(fit(Case(lr=1.0)))

    assert all(fix.next_call is None and fix.patch for finding in findings for fix in finding.fixes)


def test_a_key_for_one_call_is_not_sent_again():
    broken = fit(Case(lr=1.0))
    arguments = {"lr": 1.0, "tags": ["a"], "idempotency_key": "k", "wait_seconds": 20}

    call = (
        diagnose(replace(broken, handles=HANDLES, config=broken.config | {"arguments": arguments}))[0]
        .fixes[0]
        .next_call
    )

    assert call["arguments"] == {
        "model": HANDLES["model"], "train_loader": HANDLES["data"], "lr": 0.01, "tags": ["a"],
    }  # fmt: skip


def test_findings_come_by_severity_then_by_confidence():
    nan = replace(fit(Case(lr=1.0)), told=frozenset({"train_val_gap", "non_finite_loss"}))

    severities = [finding.severity for finding in diagnose(nan)]

    assert severities == sorted(severities, key=["critical", "warning", "info"].index)
    assert len(severities) >= 2


def test_judging_needs_neither_torch_nor_numpy():
    code = (
        "import sys; from trainwell.diagnosis import diagnose, told; diagnose(told('loss is nan'));"
        "sys.exit(bool({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
