"""Slips of optimisation and of capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from tests.corpus import loops
from tests.corpus.drawn.kinds import (
    ALL,
    Kinds,
    by_adam,
    by_loop,
    by_sgd,
    by_tools,
    deep,
    dense,
    log_uniform,
    own_code,
    reports_recall,
    with_relu,
    with_tanh,
)
from tests.corpus.drawn.plans import Plan
from tests.corpus.networks import constant_weights
from tests.corpus.second import networks

KINDS = Kinds("optimisation")
CAPACITY = Kinds("capacity")
Random = np.random.Generator
HIGH, LOW = "learning_rate_too_high divergence non_finite_loss", "learning_rate_too_low plateau"
START = "bad_initialisation"

# Settings.


@KINDS.add(HIGH, mends=ALL)
def a_rate_far_too_high(twin: Plan, random: Random) -> Plan:
    rate = min(1.0, twin.train["lr"] * log_uniform(random, 10, 1000))
    return twin.trained(lr=rate) if twin.door == "loop" else twin.trained(lr=rate, scheduler="constant", warmup=0.0)


@KINDS.add(HIGH, by_adam, mends=ALL)
def adam_at_a_rate_of_sgd(twin: Plan, random: Random) -> Plan:
    return twin.trained(lr=log_uniform(random, 0.05, 0.5))


@KINDS.add(LOW, mends=ALL)
def a_rate_far_too_low(twin: Plan, random: Random) -> Plan:
    return twin.trained(lr=max(1e-6, twin.train["lr"] / log_uniform(random, 10, 1000)))


@KINDS.add(LOW, by_adam, mends=ALL)
def sgd_at_a_rate_of_adam(twin: Plan, random: Random) -> Plan:
    return twin.trained(optimizer="sgd", lr=log_uniform(random, 1e-4, 2e-3))


@KINDS.add("weight_decay_too_strong", by_sgd, mends=ALL)
def decay_far_too_strong_for_sgd(twin: Plan, random: Random) -> Plan:
    return twin.trained(weight_decay=log_uniform(random, 0.1, 1.0))


@KINDS.add("weight_decay_too_strong", by_loop, by_adam, mends=ALL)
def decay_far_too_strong_for_adam(twin: Plan, random: Random) -> Plan:
    return twin.trained(weight_decay=log_uniform(random, 3, 30))


@KINDS.add("clip_too_small learning_rate_too_low", by_sgd, mends=ALL)
def gradients_clipped_to_nothing(twin: Plan, random: Random) -> Plan:
    return twin.trained(grad_clip=log_uniform(random, 1e-4, 3e-3))


@KINDS.add("momentum_too_high", by_loop, by_sgd, mends=ALL)
def momentum_of_nearly_one(twin: Plan, random: Random) -> Plan:
    return twin.trained(momentum=1 - log_uniform(random, 0.002, 0.01))


@KINDS.add("schedule_ends_too_early", by_loop)
def a_rate_that_falls_at_once(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"lost_rate": random.uniform(0.05, 0.3)})


# Weights at the start.


@KINDS.add(START, own_code)
def weights_all_alike(twin: Plan, random: Random) -> Plan:
    return twin.built(change=random.choice(np.array([constant_weights, networks.all_zero])))


@KINDS.add(f"{START} exploding_gradients saturated_units", own_code)
def weights_far_too_large(twin: Plan, random: Random) -> Plan:
    return twin.built(change=networks.weights_times(log_uniform(random, 8, 50)))


@KINDS.add(f"vanishing_gradients {START}", deep)
def weights_far_too_small(twin: Plan, random: Random) -> Plan:
    return twin.built(change=networks.weights_times(log_uniform(random, 0.005, 0.05)))


@KINDS.add(f"dead_units {START}", with_relu)
def units_that_start_below_nought(twin: Plan, random: Random) -> Plan:
    return twin.built(change=networks.biases(-random.uniform(4, 20)))


@KINDS.add(f"saturated_units {START} exploding_gradients", with_tanh)
def units_that_start_at_their_ends(twin: Plan, random: Random) -> Plan:
    return twin.built(change=networks.weights_times(log_uniform(random, 8, 20)))


@KINDS.add("vanishing_gradients", dense)
def a_tower_of_sigmoids(twin: Plan, random: Random) -> Plan:
    return twin.built(widths=(twin.net.widths[0],) * int(random.integers(7, 13)), activation=nn.Sigmoid, dropout=0.0)


# What learns, and how.


@KINDS.add("frozen_parameters", own_code)
def layers_left_frozen(twin: Plan, random: Random) -> Plan:
    return twin.built(change=networks.frozen_body)


@KINDS.add("parameters_not_optimised", by_loop)
def an_optimizer_of_the_head_alone(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"weights": _head})


def _head(network: nn.Module) -> Sequence[Tensor]:
    return list(network.parameters())[-2:]


@KINDS.add("missing_zero_grad", by_loop)
def gradients_that_add_up(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"step": loops.adding_up})


@KINDS.add("wrong_sign", by_loop)
def uphill(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"step": loops.uphill})


# Capacity.


@CAPACITY.add("underfitting", dense)
def one_unit(twin: Plan, random: Random) -> Plan:
    return twin.built(widths=(int(random.integers(1, 3)),))


ONE = {"mlp": {"hidden_dims": [1]}, "cnn": {"channels": [1], "head": "mean"}, "gru": {"hidden_size": 1},
       "lstm": {"hidden_size": 1}}  # fmt: skip


@CAPACITY.add("underfitting", by_tools, lambda twin: twin.family in ONE, mends=ALL)
def a_family_of_one_unit(twin: Plan, random: Random) -> Plan:
    return replace(twin, options={**twin.options, **ONE[twin.family]})


@CAPACITY.add("too_few_epochs stopped_too_early schedule_ends_too_early", mends=ALL)
def few_epochs(twin: Plan, random: Random) -> Plan:
    return twin.trained(epochs=int(random.integers(1, 4)))


@CAPACITY.add("too_few_epochs stopped_too_early", mends=ALL)
def all_rows_in_one_batch(twin: Plan, random: Random) -> Plan:
    return twin.trained(batch_size=4096)


@CAPACITY.add("stopped_too_early too_few_epochs", reports_recall, mends=ALL)
def no_patience(twin: Plan, random: Random) -> Plan:
    patience, rate = int(random.integers(1, 3)), twin.train["lr"] / random.uniform(3, 8)
    return twin.trained(early_stopping=patience, lr=rate, scheduler="constant")


@CAPACITY.add("dropout_too_strong", dense)
def nearly_all_units_drop(twin: Plan, random: Random) -> Plan:
    return twin.built(dropout=random.uniform(0.75, 0.95))


@CAPACITY.add("dropout_too_strong", by_tools, lambda twin: twin.family in ("mlp", "transformer"), mends=ALL)
def nearly_all_units_drop_by_an_option(twin: Plan, random: Random) -> Plan:
    return replace(twin, options={**twin.options, "dropout": random.uniform(0.75, 0.9)})


@CAPACITY.add("overfitting", by_tools, lambda twin: twin.family == "mlp", mends=ALL, metric="loss")
def few_rows_and_a_wide_network(twin: Plan, random: Random) -> Plan:
    few = replace(twin, options={"hidden_dims": [256, 256], "dropout": 0.0}, data=replace(twin.data, rows=160))
    return few.trained(epochs=80, early_stopping=0, weight_decay=0.0)


@CAPACITY.add("overfitting", dense, mends=ALL, metric="loss")
def few_rows_and_a_wide_network_of_ones_own(twin: Plan, random: Random) -> Plan:
    few = replace(twin, rows={"limit": int(random.integers(50, 150))}).built(widths=(256, 256), dropout=0.0)
    return few.trained(epochs=100, weight_decay=0.0, **({} if twin.door == "loop" else {"early_stopping": 0}))


@CAPACITY.add("no_nonlinearity underfitting", dense, lambda twin: len(twin.net.widths) > 1)
def layers_without_anything_between(twin: Plan, random: Random) -> Plan:
    return twin.built(activation=nn.Identity)
