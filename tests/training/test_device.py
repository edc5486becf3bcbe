from dataclasses import replace

import pytest
import torch

from trainwell.training.device import Facts, Work, decide, describe_devices, read_facts

OLD_CPU = Facts("cpu", "CPU", cores=2, memory_free=10**9)
NEW_CPU = replace(OLD_CPU, bf16_speedup=4.0)
BIG = Work("classification", 10**6, 512, 10**6, convolutions=False, deterministic=False)
SMALL = replace(BIG, parameters=1000, batch_rows=32)


def gpu(*capability):
    return Facts("cuda", "GPU", cores=8, memory_free=10**10, capability=capability)


@pytest.mark.parametrize(
    ("facts", "work", "precision", "scaler"),
    [
        (OLD_CPU, BIG, "fp32", False),
        (NEW_CPU, SMALL, "fp32", False),
        (NEW_CPU, BIG, "bf16", False),
        (NEW_CPU, replace(BIG, deterministic=True), "fp32", False),
        (NEW_CPU, replace(BIG, task="regression"), "fp32", False),
        (gpu(8, 0), SMALL, "bf16", False),
        (gpu(7, 5), BIG, "fp16", True),
        (gpu(6, 1), BIG, "fp32", False),
    ],
)
def test_precision_is_what_pays_on_the_device(facts, work, precision, scaler):
    setup = decide(facts, work, "auto")

    assert (setup.precision, setup.scaler) == (precision, scaler)
    assert (setup.autocast is None) == (precision == "fp32")


def test_what_was_asked_is_obeyed_and_its_price_is_told():
    setup = decide(OLD_CPU, BIG, "bf16")

    assert setup.autocast is torch.bfloat16
    assert any(word.startswith("precision bf16") and "no fast units" in word for word in setup.words)


def test_a_retry_keeps_the_precision_of_the_run():
    assert decide(NEW_CPU, BIG, "auto", earlier="fp32").precision == "fp32"


def test_data_that_leave_no_room_are_streamed_through_pinned_memory():
    crowded = replace(BIG, data_bytes=9 * 10**9)

    assert not decide(gpu(9, 0), crowded, "auto").resident
    assert decide(gpu(9, 0), crowded, "auto").pinned
    assert not decide(OLD_CPU, crowded, "auto").pinned
    assert decide(gpu(9, 0), BIG, "auto").resident


def test_every_decision_is_told():
    topics = {word.split()[0] for word in decide(NEW_CPU, replace(BIG, convolutions=True), "auto").words}

    assert topics == {"device", "precision", "optimizer", "data", "compile", "channels_last:"}


def test_this_machine_is_described():
    facts, devices = read_facts(), describe_devices()

    assert facts.cores >= 1
    assert facts.memory_free > 0
    assert devices[-1]["kind"] == "cpu"
    assert facts.kind == devices[0]["kind"]


LONG = replace(BIG, steps=200_000, step_seconds=0.01)


@pytest.mark.parametrize(
    ("facts", "work", "compiles", "why"),
    [
        (OLD_CPU, LONG, False, "on a CPU"),
        (replace(NEW_CPU, compiler=True), LONG, False, "on a CPU"),
        (gpu(9, 0), LONG, False, "C compiler"),
        (replace(gpu(9, 0), compiler=True), LONG, True, "would save about 400 s"),
        (replace(gpu(9, 0), compiler=True), replace(LONG, steps=80_000), False, "would save about 160 s"),
        (replace(gpu(9, 0), compiler=True), replace(LONG, same_shapes=False), False, "differ in length"),
        (replace(gpu(9, 0), compiler=True), replace(LONG, step_seconds=None), False, "timed a step"),
    ],
)
def test_the_compiler_is_used_where_the_run_is_long_enough_to_pay_for_it(facts, work, compiles, why):
    setup = decide(facts, work, "auto")

    assert setup.compile is compiles
    assert any(word.startswith(f"compile {'on' if compiles else 'off'}") and why in word for word in setup.words)
