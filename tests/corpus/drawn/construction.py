"""Slips of construction and of systems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from torch import nn

from tests.corpus.drawn import networks
from tests.corpus.drawn.kinds import (
    Kinds,
    by_loop,
    by_python,
    classes,
    dense,
    log_uniform,
    own_code,
    quantity,
    several,
    with_modes,
)
from tests.corpus.drawn.plans import Plan
from tests.corpus.second.construction import OverClasses
from tests.corpus.second.sources import fetched, read_anew

KINDS = Kinds("construction")
SYSTEMS = Kinds("systems")
MEMORY = "out_of_memory host_out_of_memory"
Random = np.random.Generator

# Outputs and losses.


def _ends_with(last: Callable[[], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    return lambda body: nn.Sequential(body, last())


@KINDS.add("softmax_before_loss", own_code, classes)
def shares_before_the_loss(twin: Plan, random: Random) -> Plan:
    return twin.built(around=_ends_with(OverClasses))


@KINDS.add("bad_output_activation dead_units", own_code, classes)
def classes_that_are_squeezed(twin: Plan, random: Random) -> Plan:
    return twin.built(around=_ends_with((nn.ReLU, nn.Sigmoid)[random.integers(2)]))


@KINDS.add("bad_output_activation dead_units", own_code, quantity)
def a_quantity_that_is_squeezed(twin: Plan, random: Random) -> Plan:
    return twin.built(around=_ends_with((nn.ReLU, nn.Sigmoid, nn.Tanh)[random.integers(3)]))


@KINDS.add("target_shape", by_loop, quantity)
def each_answer_against_all_others(twin: Plan, random: Random) -> Plan:
    return replace(twin, rows={"column": False})


@KINDS.add("loss_output_mismatch", by_loop, classes)
def a_loss_for_logarithms(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"loss": "NLLLoss"})


@KINDS.add("wrong_output_size", by_loop, several)
def fewer_outputs_than_classes(twin: Plan, random: Random) -> Plan:
    return twin.built(outputs=twin.data.classes - int(random.integers(1, 3)))


# Modes.


@KINDS.add("train_mode_in_validation", by_loop, with_modes)
def judged_as_it_learns(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"modes": (True, True)})


@KINDS.add("eval_mode_in_training", by_loop, with_modes)
def learnt_as_it_is_judged(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"modes": (False, False)})


@KINDS.add("dropout_always_on", own_code)
def dropout_that_is_never_off(twin: Plan, random: Random) -> Plan:
    return twin.built(around=partial(networks.DropsAlways, amount=random.uniform(0.4, 0.8)))


# Systems.


@SYSTEMS.add("memory_leak", own_code, always=True)
def what_is_kept_of_each_batch(twin: Plan, random: Random) -> Plan:
    return twin.built(around=partial(networks.Keeps, amount=random.uniform(1, 4)))


@SYSTEMS.add("input_bound", by_python, always=True)
def rows_that_take_long_to_read(twin: Plan, random: Random) -> Plan:
    seconds = log_uniform(random, 0.0005, 0.002)
    return replace(twin, fields={"loader": read_anew(partial(fetched, seconds, 1e-6))}).trained(epochs=4)


@SYSTEMS.add("slow_steps", by_python, always=True)
def steps_that_get_slower(twin: Plan, random: Random) -> Plan:
    return twin.built(around=partial(networks.Tires, amount=log_uniform(random, 3e-5, 1e-4)))


@SYSTEMS.add(MEMORY, by_python, always=True)
def more_memory_than_there_is(twin: Plan, random: Random) -> Plan:
    return twin.built(around=partial(networks.Bursts, amount=random.uniform(20, 100))).trained(max_attempts=1)


@SYSTEMS.add(MEMORY, by_loop, dense, always=True)
def more_memory_than_there_is_in_a_loop(twin: Plan, random: Random) -> Plan:
    return twin.built(around=partial(networks.Bursts, amount=random.uniform(20, 100)))
