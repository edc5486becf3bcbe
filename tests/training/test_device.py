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
