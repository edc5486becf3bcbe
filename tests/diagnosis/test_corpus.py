"""Rules judge real trainings: quiet on healthy ones, the right cause first on spoiled ones, and repairs that repair."""

import math
from dataclasses import replace

import pytest
import torch

from tests.diagnosis.tiny_runs import Case, as_recorded, fit, metrics_alone, repaired
from trainwell.contract.trace import Trace
from trainwell.diagnosis import diagnose

HEALTHY = {
    **{
        f"digits seed {seed} width {width}": Case(hidden=width, seed=seed)
        for seed, width in [(0, (64, 64)), (1, (32,)), (2, (128, 64)), (3, (256, 128))]
    },
    "dropout": Case(dropout=0.3),
    "label smoothing": Case(label_smoothing=0.1),
    "sgd": Case(optimizer="sgd", lr=0.05),
    "inputs a hundredfold": Case(input_scale=100.0),
    "few and clean": Case(data="breast_cancer", batch_size=32),
    "constant rate": Case(data="breast_cancer", batch_size=32, scheduler="constant"),
    "weight decay 1 with AdamW": Case(weight_decay=1.0, lr=0.01, scheduler="constant"),
    "label noise that nothing can learn": Case(data="breast_cancer", label_noise=0.3, hidden=(16,), batch_size=32),
    "regression with little signal": Case(data="diabetes", hidden=(16,), batch_size=32),
}
SPOILED = {
    "rate 1": ("learning_rate_too_high", Case(lr=1.0)),
    "rate 0.3": ("learning_rate_too_high", Case(lr=0.3, seed=1)),
    "rate 0.1, kept": ("learning_rate_too_high", Case(lr=0.1, scheduler="constant")),
    "sgd rate 1": ("learning_rate_too_high", Case(optimizer="sgd", lr=1.0, scheduler="constant")),
    "rate 1e-6": ("plateau", Case(lr=1e-6)),
    "rate 1e-5": ("plateau", Case(lr=1e-5, seed=1)),
    "sgd rate 1e-5": ("plateau", Case(optimizer="sgd", lr=1e-5)),
    "one hidden unit": ("underfitting", Case(hidden=(1,))),
    "two hidden units": ("underfitting", Case(hidden=(2,), seed=1)),
    "sgd weight decay": ("underfitting", Case(optimizer="sgd", lr=0.05, weight_decay=0.3, scheduler="constant")),
    "AdamW weight decay": ("underfitting", Case(weight_decay=20.0, lr=5e-3, scheduler="constant")),
    "dropout 0.95": ("dropout_too_strong", Case(dropout=0.95)),
    "few noisy rows": ("overfitting", Case(rows=150, label_noise=0.3, epochs=60, batch_size=32)),
    "fewer noisy rows": (
        "overfitting",
        Case(data="breast_cancer", rows=80, label_noise=0.25, epochs=60, batch_size=16, seed=1),
    ),
    "regression by heart": ("overfitting", Case(data="diabetes", hidden=(128, 128), epochs=60)),
    "rate 1e6": ("non_finite_loss", Case(lr=1e6, grad_clip=0.0)),
    "sgd rate 1e6": ("non_finite_loss", Case(optimizer="sgd", lr=1e6, grad_clip=0.0)),
    "inputs of 1e30": ("non_finite_loss", Case(optimizer="sgd", input_scale=1e30, grad_clip=0.0)),
}
# What a stranger's numbers alone cannot tell from something else: the settings make the difference.
NEEDS_SETTINGS = {"one hidden unit", "two hidden units", "sgd weight decay", "AdamW weight decay", "dropout 0.95"}
CUDA_ERROR = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 15.77 GiB "
    "of which 1.38 GiB is free. Including non-PyTorch memory, this process has 14.39 GiB memory in use. Of the "
    "allocated memory 13.90 GiB is allocated by PyTorch, and 120.50 MiB is reserved by PyTorch but unallocated. If "
    "reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid "
    "fragmentation."
)


def loud(trace):
    return [finding.code for finding in diagnose(trace) if finding.severity != "info"]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_left_alone(name):
    trace = fit(HEALTHY[name])

    assert loud(trace) == []
    assert loud(as_recorded(trace)) == []
    assert loud(metrics_alone(trace)) == []


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_left_alone_at_every_epoch_on_its_way(name):
    trace = fit(HEALTHY[name])

    for seen in range(1, len(trace.epochs)):
        until = replace(trace, epochs=trace.epochs[:seen], finished=False)
        assert loud(until) == [], f"after {seen} epochs"
        assert loud(as_recorded(until)) == [], f"after {seen} epochs"


@pytest.mark.parametrize("name", SPOILED)
def test_the_cause_of_a_spoiled_run_is_named_first(name):
    code, case = SPOILED[name]

    first = diagnose(fit(case))[0]

    assert first.code == code
    assert diagnose(as_recorded(fit(case)))[0].code == code
    assert first.severity != "info"
    assert first.evidence
    assert first.fixes


@pytest.mark.parametrize("name", [name for name in SPOILED if name not in NEEDS_SETTINGS])
def test_the_numbers_by_epoch_are_enough_to_name_the_cause(name):
    code, case = SPOILED[name]

    assert diagnose(metrics_alone(fit(case)))[0].code == code


@pytest.mark.parametrize("name", [name for name, (code, _) in SPOILED.items() if code != "non_finite_loss"])
def test_the_first_repair_makes_the_validation_score_better(name):
    _, case = SPOILED[name]
    patch = diagnose(fit(case))[0].fixes[0].patch

    before, after = score(fit(case)), score(fit(repaired(case, patch)))

    assert after > before + 0.02, f"{patch}: {before:.3f} -> {after:.3f}"


def score(trace):
    last = trace.epochs[-1]
    return last.val_r2 if last.val_accuracy is None else last.val_accuracy


def test_repairing_a_rate_that_broke_the_loss_keeps_it_finite():
    _, case = SPOILED["rate 1e6"]
    patch = diagnose(fit(case))[0].fixes[0].patch

    mended = fit(repaired(case, patch))

    assert all(math.isfinite(record.train_loss) for record in mended.epochs)
    assert score(mended) > 0.5


def test_the_error_of_a_gpu_out_of_memory_is_read_to_the_number():
    config = {"batch_size": 512, "accumulate": 1}

    finding = diagnose(Trace(error=CUDA_ERROR, config=config))[0]

    assert (finding.code, finding.severity) == ("out_of_memory", "critical")
    assert finding.evidence["requested_bytes"] == int(2.5 * 2**30)
    assert finding.evidence["free_bytes"] == int(1.38 * 2**30)
    assert finding.evidence["unallocated_bytes"] == int(120.5 * 2**20)
    # batch_size counts the rows of an optimizer step, so that twice the pieces halve what is in memory at once.
    assert finding.fixes[0].patch == {"train": {"accumulate": 2}}
    assert finding.fixes[1].patch == {"train": {"batch_size": 256}}


def test_the_cpu_allocator_is_understood_in_its_own_words():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(10**17, dtype=torch.uint8)

    finding = diagnose(Trace(error=f"RuntimeError: {refused.value}"))[0]

    assert finding.code == "out_of_memory"
    assert finding.evidence["requested_bytes"] == 10**17
