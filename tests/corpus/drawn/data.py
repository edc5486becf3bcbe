"""Slips of data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from tests.corpus import sources as first
from tests.corpus.drawn.kinds import (
    ALL,
    Kinds,
    by_loop,
    by_python,
    by_tools,
    classes,
    log_uniform,
    numbers,
    own_code,
    parted,
    pictures,
    quantity,
    reports_recall,
    several,
    table,
    text,
    whole,
)
from tests.corpus.drawn.plans import Plan
from tests.corpus.second import sources as second
from tests.corpus.sources import Array, Spoil
from tests.corpus.third import spoils as third

KINDS = Kinds("data")
NOISE, MIXED = "label_noise memorised_noise", "labels_misaligned memorised_noise"
RAW, SHIFT = "inputs_not_normalised", "distribution_shift preprocessing_mismatch"
Random = np.random.Generator

# Labels.


@KINDS.add(NOISE, parted, classes)
def labels_wrong_in_training(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(train=[first.noisy_labels(random.uniform(0.15, 0.45))])


@KINDS.add(NOISE, classes)
def labels_wrong_everywhere(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(first.noisy_labels(random.uniform(0.15, 0.45)))


@KINDS.add(MIXED)
def labels_of_other_rows(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(first.mixed_labels)


@KINDS.add(MIXED)
def labels_some_rows_off(twin: Plan, random: Random) -> Plan:
    by = int(random.integers(1, 4))
    return twin.spoiled(lambda x, y, _: (x, np.roll(y, by)))


@KINDS.add("labels_misaligned", parted, classes)
def classes_numbered_differently_in_validation(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(others=[first.renamed_labels])


# Leaks and splits.


@KINDS.add("split_leakage", parted, numbers, always=True)
def validation_rows_that_were_learnt(twin: Plan, random: Random) -> Plan:
    return replace(twin, copies=float(random.uniform(0.25, 0.9)))


@KINDS.add("split_leakage", whole, always=True)
def rows_repeated_before_the_split(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(first.repeated_rows(int(random.integers(2, 5))))


@KINDS.add("target_leakage", table, always=True)
def a_column_made_from_the_target(twin: Plan, random: Random) -> Plan:
    noise = float(random.choice([0.0, 0.02, 0.05, 0.1]))
    return twin.spoiled(first.with_answer(log_uniform(random, 0.1, 10), noise))


@KINDS.add("small_validation_set", by_tools, whole, mends=ALL, always=True)
def few_rows_to_validate_by(twin: Plan, random: Random) -> Plan:
    share = int(random.integers(5, 13)) / twin.data.rows
    return replace(twin, prepare={"validation_fraction": max(0.01, share)})


@KINDS.add("small_validation_set", own_code, always=True)
def few_rows_handed_over_to_validate_by(twin: Plan, random: Random) -> Plan:
    return replace(twin, rows={"judged": int(random.integers(5, 13))})


@KINDS.add(SHIFT, parted, table)
def validation_from_elsewhere(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(others=[first.moved_columns(random.uniform(1.0, 3.0), int(random.integers(1, 4)))])


@KINDS.add(SHIFT, parted, numbers)
def validation_in_another_unit(twin: Plan, random: Random) -> Plan:
    factor = log_uniform(random, 3, 100)
    return twin.spoiled(others=[third.times(factor if random.random() < 0.5 else 1 / factor)])


# Inputs and targets as numbers.


@KINDS.add(RAW, own_code)
def inputs_that_are_large(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(third.times(log_uniform(random, 100, 10000)))


@KINDS.add(RAW, own_code)
def inputs_that_are_tiny(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(third.times(log_uniform(random, 1e-4, 1e-2)))


@KINDS.add(RAW, own_code, table)
def one_column_that_is_large(twin: Plan, random: Random) -> Plan:
    place, factor = int(random.integers(3)), log_uniform(random, 1e3, 1e5)

    def spoil(x: Array, y: Array, _: Random) -> tuple[Array, Array]:
        x[:, place] *= factor
        return x, y

    return twin.spoiled(spoil)


@KINDS.add("non_finite_inputs", own_code)
def values_that_are_missing(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(train=[_missing(int(random.integers(1, 9)))])


def _missing(rows: int) -> Spoil:
    def spoil(x: Array, y: Array, random: Random) -> tuple[Array, Array]:
        x.reshape(len(x), -1)[random.permutation(len(x))[:rows], 2] = np.nan
        return x, y

    return spoil


@KINDS.add("non_finite_inputs", own_code, quantity)
def targets_that_are_missing(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(train=[third.lost_answers(int(random.integers(1, 9)))])


@KINDS.add("target_not_normalised", own_code, quantity)
def a_target_far_from_nought(twin: Plan, random: Random) -> Plan:
    width = log_uniform(random, 30, 1e4)
    return twin.spoiled(first.scaled_target(width, width * random.uniform(0, 5)))


@KINDS.add("target_not_normalised loss_spikes", own_code, quantity)
def targets_with_outliers(twin: Plan, random: Random) -> Plan:
    share, far = random.uniform(0.01, 0.03), log_uniform(random, 20, 100)

    def spoil(x: Array, y: Array, own: Random) -> tuple[Array, Array]:
        y[own.random(len(y)) < share] += far
        return x, y

    return twin.spoiled(train=[spoil])


@KINDS.add("constant_features", table)
def columns_that_are_constant(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(first.blank_columns(random.uniform(0.75, 0.95)))


# Classes, order, encodings.


@KINDS.add("class_imbalance", classes, reports_recall, mends=ALL, metric="recall")
def a_rare_class(twin: Plan, random: Random) -> Plan:
    often = np.bincount(twin.data.arrays()[1]).max()
    spoil = second.thinned(int(random.integers(twin.data.classes)), max(3, round(0.7 * often / random.uniform(12, 60))))
    return twin.spoiled(train=[spoil]) if twin.parted else twin.spoiled(spoil)


@KINDS.add("unshuffled_data", by_python, classes, mends=ALL)
def rows_class_by_class(twin: Plan, random: Random) -> Plan:
    ordered = twin.spoiled(train=[first.sorted_rows]).trained(stream=True)
    return replace(ordered, fields={"loader": first.in_order})


@KINDS.add("unshuffled_data", by_python, quantity, mends=ALL)
def rows_from_the_smallest_target_to_the_largest(twin: Plan, random: Random) -> Plan:
    return rows_class_by_class(twin, random)


@KINDS.add("wrong_target_encoding", by_tools, table, several, mends=ALL, always=True)
def classes_taken_for_a_quantity(twin: Plan, random: Random) -> Plan:
    return replace(twin, prepare={"task": "regression"})


@KINDS.add("wrong_target_encoding", by_python, several, always=True)
def class_numbers_under_a_squared_error(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(first.as_quantity).built(outputs=1)


@KINDS.add("wrong_output_size wrong_target_encoding", by_loop, classes)
def classes_counted_from_one(twin: Plan, random: Random) -> Plan:
    return twin.spoiled(third.from_one)


@KINDS.add("truncated_sequences", text, mends=ALL)
def texts_cut_short(twin: Plan, random: Random) -> Plan:
    return replace(twin, prepare={"options": {"length": int(random.integers(1, 4))}})


@KINDS.add("augmentation_too_strong", by_tools, pictures, mends=ALL)
def pictures_torn_apart(twin: Plan, random: Random) -> Plan:
    more = [name for name in ("crop", "rotate", "cutout", "mixup", "cutmix") if random.random() < 0.5]
    return twin.trained(augment=["flip", *more])


@KINDS.add("augmentation_too_strong", by_python, numbers)
def rows_under_noise(twin: Plan, random: Random) -> Plan:
    return replace(twin, fields={"loader": second.read_anew(partial(_noisy, random.uniform(2, 6)))})


def _noisy(amount: float, row: Tensor) -> Tensor:
    return row + amount * torch.randn_like(row)
