"""The third set of the corpus is as large and as mixed as it says, and its twins are healthy cases of its own."""

from collections import Counter

from tests.corpus import third
from tests.corpus.cases import GROUPS, Collection

THIRD = Collection()
third.add(THIRD)
CASES = list(THIRD.cases.values())
FAULTS = [case for case in CASES if case.causes]
FAMILIES = {"mlp", "tabular", "cnn", "resnet", "vit", "rnn", "gru", "lstm", "tcn", "transformer", "autoencoder", "bag",
            "module", "layers", "loop"}  # fmt: skip


def test_there_are_enough_faults_of_each_group_and_enough_healthy_runs():
    groups = Counter(case.group for case in CASES)

    assert len(FAULTS) >= 100
    assert groups["healthy"] >= 80
    assert all(groups[group] >= 5 for group in GROUPS)


def test_every_family_and_every_kind_of_data_is_there_well_and_ill():
    for some in (FAULTS, [case for case in CASES if not case.causes]):
        assert {case.job.family for case in some} >= FAMILIES
        assert {case.job.kind for case in some} >= {"tabular", "image", "series", "text"}


def test_twins_are_healthy_cases_of_the_same_part():
    assert all(not THIRD.cases[case.twin].causes for case in FAULTS)
