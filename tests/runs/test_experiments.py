"""What counts as a change, what counts as noise, and what was tried before."""

import pytest

from tests.factories import add_run, model_spec, prepared_data, train_config
from trainwell.contract.intervals import Interval, of_difference, student, wilson
from trainwell.runs import comparing, experiments
from trainwell.runs.noise import BY_ROWS, BY_SEEDS, Measured, common_score, gap, measured
from trainwell.runs.settings import changes, differences, settings
from trainwell.store.runs import Origin
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace


@pytest.fixture
def store(tmp_path):
    opened = Store.open(Workspace.open(tmp_path))
    yield opened
    opened.database.close()


def entered(store, number, accuracy, *, given=(), rows=270, origin=None, **config):
    """A run that has ended with this accuracy on so many validation rows."""
    run = f"run_toy_00000{number}"
    data = prepared_data(splits={"train": 1000, "validation": rows, "test": 10})
    add_run(store, run, config=train_config(**config), data=data)
    store.runs.update(
        run, state="completed", ended_at=float(number), best_score=accuracy, best_epoch=1, created_at=float(number),
        best_metrics={"val_accuracy": accuracy, "val_loss": 1 - accuracy},
        arguments={name: config[name] for name in given}, **(vars(origin) if origin else {}),
    )  # fmt: skip
    return run


def test_the_interval_of_a_difference_of_two_shares_is_newcombes():
    # Newcombe 1998, Statistics in Medicine 17, table II, method 10: 56/70 - 48/80.
    found = of_difference(56 / 70, 48 / 80, (wilson(56, 70), wilson(48, 80)))
    assert found == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert (student(1), student(30)) == (12.706, 2.042)
    assert student(1000) == pytest.approx(1.9623, abs=1e-3)


def test_welch_decides_where_both_were_repeated_and_a_single_run_gets_a_wider_interval():
    # Means 0.90 and 0.88, deviations 0.01 and 0.005, 3 and 4 runs: by hand, 2.78 degrees of freedom.
    one, other = Measured(0.90, 3, 0.01), Measured(0.88, 4, 0.005)
    both = gap(one, other, "val_accuracy")
    half = student(2) * (0.01**2 / 3 + 0.005**2 / 4) ** 0.5
    assert both.interval == pytest.approx((0.02 - half, 0.02 + half))
    assert (both.verdict, both.method) == ("within_noise", BY_SEEDS)
    single = gap(one, Measured(0.88), "val_accuracy")
    assert single.interval[1] - single.interval[0] == pytest.approx(2 * student(2) * 0.01 * (4 / 3) ** 0.5)
    assert gap(Measured(0.99, 3, 0.001), Measured(0.88, 3, 0.001), "val_accuracy").verdict == "better"
    assert gap(Measured(0.99, 3, 0.001), Measured(0.88, 3, 0.001), "val_loss").verdict == "worse"


def test_seeds_that_change_nothing_leave_the_validation_rows_to_decide():
    around = Interval(0.90, 1.0)
    found = gap(Measured(1.0, 3, 0.0, around), Measured(0.96, 1, None, Interval(0.85, 0.99)), "val_accuracy")
    assert (found.method, found.verdict) == (BY_ROWS, "within_noise")
    assert gap(Measured(1.0), Measured(0.9), "val_r2").verdict == "unknown"


def test_a_change_is_what_was_given_and_not_what_followed_from_it(store):
    before = settings(store, entered(store, 1, 0.9, lr=0.002, epochs=40))
    now = settings(store, entered(store, 2, 0.9, lr=0.01, epochs=12, seed=3, given=("lr",)))
    assert differences(before, now) == {"lr": [0.002, 0.01], "epochs": [40, 12], "seed": [0, 3]}
    assert changes(before, now, {"lr", "seed"}) == {"lr": [0.002, 0.01]}
    other = settings(store, entered(store, 3, 0.9))
    network = {**other, "model": "cnn", "model.channels": [8]}
    assert differences({**other, "model.hidden_dims": [4]}, network) == {"model": ["mlp", "cnn"]}


def test_the_same_change_that_brought_nothing_before_is_told(store):
    entered(store, 1, 0.90, lr=0.002)
    entered(store, 2, 0.91, lr=0.01, given=("lr",))
    third = entered(store, 3, 0.90, lr=0.002, given=("lr",))
    now = {**settings(store, third), "lr": 0.01}
    told = experiments.warnings(store, now, {"lr"}, parent=third)
    assert [line.split(":")[0] for line in told] == ["tried_before", "no_gain_before"]
    assert "within the noise" in told[1]
    assert "run_toy_000002" in told[1]
    assert experiments.warnings(store, {**now, "lr": 0.05}, {"lr"}, parent=third) == []
    both = experiments.warnings(store, {**now, "lr": 0.05, "batch_size": 8}, {"lr", "batch_size"}, parent=third)
    assert [line.split(":")[0] for line in both] == ["several_changes"]


def test_a_change_that_helped_before_is_no_warning(store):
    entered(store, 1, 0.60, lr=0.002)
    entered(store, 2, 0.95, lr=0.01, given=("lr",))
    third = entered(store, 3, 0.60, lr=0.002, grad_clip=0.0, given=("lr", "grad_clip"))
    now = {**settings(store, third), "lr": 0.01}
    assert experiments.warnings(store, now, {"lr"}, parent=third) == []


def test_a_hypothesis_is_judged_against_its_parent_and_stays_open_until_all_repeats_are_over(store):
    parent = entered(store, 1, 0.60)
    origin = Origin(parent, "more helps", {"lr": [0.002, 0.01]}, "run_toy_000002")
    entered(store, 2, 0.95, lr=0.01, origin=origin)
    second = entered(store, 3, 0.96, lr=0.01, seed=1, origin=origin)
    store.runs.update(second, state="running")
    row = store.runs.get("run_toy_000002")
    assert experiments.experiment_of(store, row).held == "open"
    store.runs.update(second, state="completed")
    found = experiments.experiment_of(store, row)
    assert (found.held, found.method) == ("yes", BY_SEEDS)
    assert found.difference == pytest.approx(0.355)
    group = experiments.repeats_of(store, row, "val_accuracy")
    assert (group.runs, group.done, group.mean) == (2, 2, 0.955)
    assert group.spread == pytest.approx(0.007071, abs=1e-5)
    with store.database.transaction():
        store.runs.delete(parent)
    assert experiments.experiment_of(store, row) is None


def test_repeats_stand_in_a_comparison_as_one_unless_they_are_all_there_is(store):
    first = entered(store, 1, 0.60, origin=Origin(repeats="run_toy_000001"))
    second = entered(store, 2, 0.70, seed=1, origin=Origin(repeats="run_toy_000001"))
    other = entered(store, 3, 0.80)
    assert [row["handle"] for row in comparing.entries(store, [first, other, second])] == [first, other]
    assert [row["handle"] for row in comparing.entries(store, [second])] == [second, first]
    assert [row["handle"] for row in comparing.entries(store, [other])] == [other]


def test_models_of_one_family_differ_by_their_options(store):
    add_run(store, "run_toy_000007", model=model_spec(options={"hidden_dims": [4], "dropout": 0.1}))
    add_run(store, "run_toy_000008", model=model_spec(options={"hidden_dims": [8], "dropout": 0.1}))
    rows = [store.runs.get(run) for run in ("run_toy_000007", "run_toy_000008")]
    assert comparing.table(store, rows, by_seed=False) == {
        "model.hidden_dims": {"run_toy_000007": [4], "run_toy_000008": [8]}
    }


def test_a_twin_and_a_reproduction_are_no_earlier_runs(store):
    first = entered(store, 1, 0.9)
    entered(store, 2, 0.9, origin=Origin(reproduces=first))
    twin = entered(store, 3, 0.9)
    store.runs.update(twin, twin_of=first)
    assert [row["handle"] for row in store.experiments.ended_on("data_toy_000001", 9)] == [first]


def test_runs_of_which_one_was_weighted_are_compared_by_balanced_accuracy_where_both_have_recorded_it(store):
    names = [entered(store, 1, 0.9), entered(store, 2, 0.8, class_weights="balanced")]
    assert common_score(store, [store.runs.get(one) for one in names]) == "val_accuracy"
    for name, balanced in zip(names, (0.5, 0.8), strict=True):
        known = store.runs.get(name)["best_metrics"] | {"val_balanced_accuracy": balanced}
        store.runs.update(name, best_metrics=known)
        store.history.put_facts(name, {"data.validation_classes": [243, 27]})
    rows = [store.runs.get(one) for one in names]
    assert common_score(store, rows) == "val_balanced_accuracy"
    assert common_score(store, rows[:1]) == "val_accuracy"

    plain, weighted = (measured(store, row, "val_balanced_accuracy") for row in rows)
    # As sure as an accuracy of 97.2 rows: 4 / (1 / 243 + 1 / 27).
    assert weighted.around == pytest.approx(wilson(0.8 * 97.2, 97.2))
    assert gap(weighted, plain, "val_balanced_accuracy").verdict == "better"
