"""Rules that judge rows, capacity and systems: each fires on a trace of its own and is silent on a healthy one."""

from dataclasses import replace

import pytest

from trainwell.contract.trace import AttemptRecord, EpochRecord, Trace
from trainwell.diagnosis import diagnose
from trainwell.diagnosis.series import rank_correlation

EPOCHS = 12
CONFIG = {"lr": 2e-3, "epochs": EPOCHS, "batch_size": 32, "optimizer": "adamw", "early_stopping": 15, "augment": []}
FACTS = {
    "data.rows_looked_at": 1200, "data.nonfinite_rows": 0.0, "data.nonfinite_targets": 0.0, "data.input_std": 1.0,
    "data.column_std_largest": 1.1, "data.column_std_median": 1.0, "data.column_offset": 0.1, "data.columns": 64,
    "data.constant_columns": 3, "data.repeated_columns": 0, "data.ordered": False, "data.label_shift": 0.02,
    "data.label_runs": 0.1, "data.label_chance": 0.1, "data.copies": 0.0, "data.shift": 0.0,
    "data.shifted_columns": 0.0, "data.scale_ratio": 1.0, "data.rescaled_columns": 0.0, "data.signal": 0.95,
    "data.signal_validation": 0.95, "data.signal_others": 0.9, "data.signal_renamed": 0.95, "data.wrong_labels": 0.01,
    "data.wrong_labels_validation": 0.01, "data.wrong_by_chance": 0.9, "data.sure_rows": 0.85,
    "data.best_column": "c7", "data.best_column_tells": 0.3, "data.next_column_tells": 0.28,
    "data.train_classes": [120] * 10,
}  # fmt: skip
DATA = {"task": "classification", "num_classes": 10, "train_rows": 1200, "validation_rows": 300, "baseline": 0.1,
        "inputs": [[64]], "asked": {"source": "data.csv", "target": "y"}}  # fmt: skip
HANDLES = {"run": "run_a_000001", "model": "model_a_000001", "data": "data_a_000001"}


def record(epoch, *, score=0.96, train=0.98, loss=None, **fields):
    falling = (0.1 + 2.2 * 0.6**epoch) if loss is None else loss
    known = {"train_loss": falling, "val_loss": falling + 0.03, "train_accuracy": train, "val_accuracy": score,
             "samples_per_second": 5e4, "seconds": 0.2, "train_seconds": 0.2, "host_memory": 4e8}  # fmt: skip
    return EpochRecord(epoch=epoch, step=38 * epoch, **known | fields)


def trace(*, facts=None, epochs=EPOCHS, config=None, model=None, data=None, **fields):
    """A healthy run but for what is said."""
    rows = tuple(record(epoch, **fields) for epoch in range(1, epochs + 1))
    return Trace(
        epochs=rows, attempts=(AttemptRecord(1, 0.0, outcome="completed"),), config=CONFIG | (config or {}),
        model={"architecture": "python", "parameters": 9000} | (model or {}), data=DATA | (data or {}),
        facts=FACTS | {f"data.{name}": value for name, value in (facts or {}).items()}, handles=HANDLES,
    )  # fmt: skip


def ended(one, outcome, **changes):
    return replace(one, attempts=(AttemptRecord(1, 0.0, outcome=outcome, **changes),))


MLP = {"architecture": "mlp", "hidden_dims": [64], "dropout": 0.1}
BAD = {"score": 0.5, "train": 0.55}
ILL = {
    "non_finite_inputs": trace(facts={"nonfinite_rows": 0.01, "nonfinite_column": "c2"}),
    "inputs_not_normalised": trace(facts={"input_std": 230.0, "column_std_largest": 900.0}, **BAD),
    "outliers_in_target": trace(
        facts={"target_outliers": 0.01, "target_outlier_part": 0.98, "target_farthest": 400.0},
        data={"task": "regression"},
        score=None,
        train=None,
        val_r2=-3.0,
    ),
    "target_not_normalised": trace(
        facts={"target_mean": 5000.0, "target_std": 900.0},
        data={"task": "regression"},
        score=None,
        train=None,
        val_r2=0.1,
    ),
    "constant_features": trace(facts={"constant_columns": 60}, **BAD),
    "duplicate_features": trace(facts={"repeated_columns": 40, "repeated_example": ["c1", "c2"]}),
    "class_imbalance": trace(facts={"train_classes": [1000, 40]}, recalls=[1.0, 0.1], data={"num_classes": 2}),
    "label_noise": trace(facts={"wrong_labels": 0.25}, train=0.76),
    "memorised_noise": trace(facts={"wrong_labels": 0.25}, train=0.99, score=0.7),
    "split_leakage": trace(facts={"copies": 0.6}),
    "target_leakage": trace(facts={"best_column_tells": 1.0, "next_column_tells": 0.4}, model=MLP),
    "unshuffled_data": trace(facts={"ordered": True, "label_runs": 0.99}, **BAD),
    "wrong_target_encoding": trace(
        facts={"target_codes": True, "target_values": 10, "code_signal": 0.9},
        data={"task": "regression"},
        model=MLP,
        score=None,
        train=None,
        val_r2=0.8,
    ),
    "small_validation_set": trace(data={"validation_rows": 6}, model=MLP),
    "distribution_shift": trace(facts={"shift": 2.0, "shifted_columns": 0.4}, train=0.98, score=0.6),
    "preprocessing_mismatch": trace(facts={"scale_ratio": 40.0, "rescaled_columns": 1.0}, train=0.98, score=0.2),
    "labels_misaligned": trace(facts={"signal": 0.01, "signal_validation": 0.0}, train=0.15, score=0.1),
    "truncated_sequences": trace(facts={"cut_rows": 0.98, "places": 2}, model=MLP, **BAD),
    "augmentation_too_strong": trace(config={"augment": ["cutmix"]}, fitted_loss=0.05, score=0.85),
    "stopped_too_early": ended(
        trace(config={"early_stopping": 1, "epochs": 60}, score=0.7, train=0.72), "early_stopping"
    ),
    "too_few_epochs": trace(epochs=2, config={"epochs": 2}, **BAD),
    "dropout_too_strong": trace(model=MLP | {"dropout": 0.9}, **BAD),
    "hung": ended(trace(), "failed", cause="stalled", message="No step for 600 s."),
    "host_out_of_memory": ended(trace(epochs=0), "failed", cause="host_out_of_memory", message="Killed."),
}
ILL["dropout_always_on"] = replace(trace(**BAD), facts=FACTS | {"eval_varies": True})
SYSTEMS = {
    "input_bound": [{"data_seconds": 0.8, "train_seconds": 1.0}] * EPOCHS,
    "memory_leak": [{"host_memory": 4e8 + 5e7 * epoch} for epoch in range(EPOCHS)],
    "contention": [
        {"samples_per_second": 5e4 if epoch < 6 else 1e4, "machine_load": 0.8 if epoch < 6 else 3.0}
        for epoch in range(EPOCHS)
    ],
    "slow_steps": [{"samples_per_second": 5e4 / (1 + epoch)} for epoch in range(EPOCHS)],
}
ILL |= {
    code: replace(trace(), epochs=tuple(record(place, **row) for place, row in enumerate(rows, 1)))
    for code, rows in SYSTEMS.items()
}
MENDED_BY_ARGUMENTS = {
    "class_imbalance": {"train": {"class_weights": "balanced"}},
    "unshuffled_data": {"train": {"stream": False}},
    "wrong_target_encoding": {"prepare_data": {"task": "classification"}},
    "small_validation_set": {"prepare_data": {"validation_fraction": 0.2}},
    "truncated_sequences": {"prepare_data": {"options": {"length": None}}},
    "augmentation_too_strong": {"train": {"augment": []}},
    "stopped_too_early": {"train": {"early_stopping": 15}},
    "dropout_too_strong": {"build_model": {"options": {"dropout": 0.1}}},
    "host_out_of_memory": {"train": {"accumulate": 2}},
}
BY_A_PERSON = sorted(set(ILL) - set(MENDED_BY_ARGUMENTS) - {"too_few_epochs"})


def test_a_healthy_run_gets_a_clean_bill():
    assert diagnose(trace()) == []
    assert diagnose(trace(model=MLP)) == []


@pytest.mark.parametrize("code", ILL)
def test_a_rule_names_its_own_fault_and_nothing_beside_it(code):
    found = diagnose(ILL[code])

    assert [one.code for one in found if one.severity != "info"] == [code]
    assert found[0].evidence
    assert found[0].cost


@pytest.mark.parametrize("code", MENDED_BY_ARGUMENTS)
def test_a_fault_that_arguments_mend_comes_with_them(code):
    first = diagnose(ILL[code])[0].fixes[0]

    assert first.patch == MENDED_BY_ARGUMENTS[code]
    assert first.reason
    assert first.expected


def test_a_repair_of_the_data_is_a_call_with_what_was_asked_before():
    first = diagnose(ILL["wrong_target_encoding"])[0].fixes[0]

    assert first.next_call == {
        "tool": "prepare_data", "arguments": {"source": "data.csv", "target": "y", "task": "classification"},
    }  # fmt: skip


def test_a_leak_is_told_with_the_call_that_leaves_it_out_and_never_mended_by_a_fix():
    found = diagnose(ILL["target_leakage"])[0]

    assert found.fixes == ()
    assert 'prepare_data with drop_columns ["c7"]' in found.cause


@pytest.mark.parametrize("code", BY_A_PERSON)
def test_a_fault_that_a_person_must_mend_has_no_fix(code):
    assert diagnose(ILL[code])[0].fixes == ()


def test_rows_that_repeat_by_themselves_are_told_and_no_alarm():
    few = diagnose(trace(facts={"copies": 0.15}))

    assert [(one.code, one.severity) for one in few] == [("split_leakage", "info")]
    assert diagnose(trace(facts={"copies": 0.6}))[0].severity == "warning"


def test_hard_rows_are_no_plateau_where_neighbours_know_no_more_either():
    hard = {"val_loss": 0.63, "train_loss": 0.63, "train": 0.62, "score": 0.62}
    told = {"signal": 0.1, "signal_balanced": 0.2}
    classes = {"num_classes": 2, "class_counts": [500, 500], "baseline": 0.5}

    def codes(possible):
        facts = told | {"signal_validation": possible, "signal_others": possible}
        return [one.code for one in diagnose(trace(facts=facts, data=classes, **hard)) if one.severity != "info"]

    assert codes(0.2) == []
    assert "plateau" in codes(0.8)


def test_a_few_rows_are_too_few_to_judge_by_where_there_would_be_more():
    def severity(train):
        return diagnose(trace(data={"validation_rows": 20, "train_rows": train}))[0].severity

    assert (severity(100), severity(1400)) == ("info", "warning")


def test_as_many_classes_as_numbers_are_a_quantity_only_where_nothing_tells_the_exact_one():
    def codes(**facts):
        known = {"numeric_classes": 1.0, "rows_per_class": 6.0, "signal_validation": 0.0} | facts
        return [one.code for one in diagnose(trace(facts=known, data={"num_classes": 81}, train=0.9, score=0.08))]

    assert codes(signal=0.0)[0] == "wrong_target_encoding"
    assert "wrong_target_encoding" not in codes(signal=0.6)


@pytest.mark.parametrize(("done", "minutes"), [(5, 1.2), (1, 6.0), (12, 0.5)])
def test_a_run_that_its_limit_cut_gets_the_time_that_its_epochs_need(done, minutes):
    cut = ended(trace(epochs=done, config={"epochs": 40, "max_minutes": 0.1}, score=0.5, train=0.5), "time_limit")
    found = next(one for one in diagnose(cut) if one.code == "stopped_too_early")

    assert found.fixes[0].patch == {"train": {"max_minutes": minutes}}


def test_a_few_steps_of_a_network_that_hardly_fits_its_rows_were_too_few_whatever_neighbours_know():
    weak = {"signal": 0.2, "signal_validation": 0.2, "signal_others": 0.2}
    begun = trace(facts=weak, epochs=3, train=0.3, score=0.25, config={"epochs": 3, "batch_size": 512})
    losses = [2.25, 2.2, 2.15]
    slow = tuple(
        replace(one, step=2 * one.epoch, train_loss=loss, val_loss=loss)
        for one, loss in zip(begun.epochs, losses, strict=True)
    )

    assert "too_few_epochs" in [one.code for one in diagnose(replace(begun, epochs=slow))]


def test_a_strong_decay_is_no_cause_where_the_rate_is_too_low_to_feel_it():
    def codes(lr):
        config = {"optimizer": "sgd", "lr": lr, "weight_decay": 0.05}
        return [one.code for one in diagnose(trace(config=config, train=0.2, score=0.19, loss=2.27))]

    assert "weight_decay_too_strong" not in codes(1.6e-3)
    assert "weight_decay_too_strong" in codes(0.1)


def test_odd_rows_are_no_fault_while_the_network_does_well():
    odd = {"input_std": 230.0, "constant_columns": 60, "shift": 2.0, "shifted_columns": 0.4, "ordered": True}
    assert diagnose(trace(facts=odd | {"label_runs": 0.99})) == []
    assert diagnose(trace(model=MLP | {"dropout": 0.7}, config={"augment": ["crop"]})) == []


def test_more_steps_are_asked_for_where_there_were_few():
    fixes = diagnose(ILL["too_few_epochs"])[0].fixes

    assert fixes[0].patch == {"train": {"epochs": 40}}


def test_names_out_of_the_data_are_quoted_and_cut():
    wild = trace(facts={"best_column_tells": 1.0, "next_column_tells": 0.1, "best_column": "x\u202e\n" + "a" * 500})

    said = diagnose(wild)[0]

    assert "\u202e" not in said.symptom
    assert len(said.symptom) < 200


def test_what_follows_from_a_root_is_told_with_it():
    root = diagnose(trace(facts={"wrong_labels": 0.25}, train=0.99, score=0.7, val_loss=2.0))[0]

    assert root.code == "memorised_noise"
    assert "overfitting" in root.also


def test_a_rare_class_that_can_be_told_is_no_sign_of_targets_mixed_up():
    known = {"signal": 0.0, "signal_validation": 0.0, "signal_balanced": 0.3}
    found = diagnose(trace(facts=known, train=0.15, score=0.1))

    assert "labels_misaligned" not in [one.code for one in found]


def test_what_neighbours_contradict_in_both_parts_is_not_told_from_classes_that_overlap():
    both = {"wrong_labels": 0.25, "wrong_labels_validation": 0.24}

    for train, score in ((0.75, 0.72), (0.99, 0.7), (0.96, 0.95)):
        codes = {one.code for one in diagnose(trace(facts=both, train=train, score=score))}
        assert not codes & {"label_noise", "memorised_noise"}


def test_neighbours_that_know_no_more_than_the_commonest_class_do_not_speak_of_labels():
    overlap = {"wrong_labels": 0.15, "wrong_labels_validation": 0.15, "wrong_by_chance": 0.16}

    codes = {one.code for one in diagnose(trace(facts=overlap, train=0.85, score=0.85))}
    assert not codes & {"label_noise", "memorised_noise"}


def test_a_rare_class_is_missed_beside_the_others_also_where_validation_has_many_of_it():
    found = diagnose(trace(facts={"train_classes": [300, 300, 12]}, recalls=[0.97, 0.95, 0.3], data={"num_classes": 3}))

    assert [one.code for one in found] == ["class_imbalance"]


def test_the_rank_correlation_knows_order_and_ties():
    assert rank_correlation([1, 2, 5, 9]) == pytest.approx(1)
    assert rank_correlation([4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([2, 2, 2]) == 0


def codes(one):
    return [finding.code for finding in diagnose(one) if finding.severity != "info"]


def with_facts(one, **facts):
    return replace(one, facts=one.facts | facts)


def test_batches_of_two_under_batch_norm_are_told_after_many_steps_of_few_epochs():
    config = {"batch_size": 2, "epochs": 2, "accumulate": 1}
    rows = tuple(record(epoch, score=0.5, train=0.55, loss=0.9) for epoch in (1, 2))
    many = with_facts(replace(trace(config=config), epochs=tuple(replace(one, step=600 * one.epoch) for one in rows)),
                      batch_norms=3)  # fmt: skip

    assert codes(many) == ["batch_norm_tiny_batches"]
    assert diagnose(many)[0].fixes[0].patch == {"train": {"batch_size": 32, "epochs": 14}}
    well = tuple(replace(one, train_accuracy=0.96, val_accuracy=0.95) for one in many.epochs)
    assert codes(replace(many, epochs=well)) == []


def test_labels_mixed_up_in_few_rows_are_told_although_chance_lends_neighbours_some_skill():
    few = {"num_classes": 3, "baseline": 0.34, "train_rows": 150, "validation_rows": 50}
    lucky = {"signal": 0.15, "signal_validation": 0.17, "signal_others": 0.1, "train_classes": [50] * 3}

    assert codes(trace(facts=lucky, data=few, train=0.4, score=0.4, loss=1.09)) == ["labels_misaligned"]
    assert "labels_misaligned" not in codes(trace(facts=lucky | {"signal": 0.4}, data=few, train=0.4, score=0.4))


def test_rows_learnt_by_heart_and_never_more_than_guessing_elsewhere_are_told_of_a_loop_of_which_no_rows_are_known():
    known = Trace(
        epochs=tuple(
            EpochRecord(
                epoch, 20 * epoch, train_loss=2.3 - 0.18 * epoch, val_loss=2.3 + 0.2 * epoch, val_accuracy=score
            )
            for epoch, score in enumerate([0.1, 0.12, 0.09, 0.11, 0.14, 0.1, 0.12, 0.11, 0.1, 0.12, 0.11, 0.1], 1)
        ),
        data={"task": "classification", "num_classes": 10},
    )
    learns = tuple(replace(one, val_accuracy=0.4) for one in known.epochs)

    assert codes(known)[0] == "labels_misaligned"
    assert codes(replace(known, epochs=learns))[0] == "overfitting"


def test_classes_mixed_otherwise_in_validation_are_no_fault_where_rare_ones_are_found():
    known = {"label_shift": 0.32, "train_classes": [300, 60, 300], "signal_others": 0.8, "signal_validation": 0.6,
             "validation_classes": [100, 100, 100]}  # fmt: skip
    data = {"num_classes": 3, "baseline": 0.34}

    found = trace(facts=known, data=data, recalls=[0.97, 0.7, 0.97], score=0.88, train=1.0)
    missed = trace(facts=known, data=data, recalls=[0.97, 0.05, 0.97], score=0.66, train=1.0)
    assert codes(found) == []
    assert codes(missed)[0] == "distribution_shift"


def test_raw_inputs_slow_a_network_of_which_neighbours_know_less():
    weak = {"input_std": 86.0, "signal_validation": 0.5, "signal_others": 0.5}

    slowed = trace(facts=weak, score=0.65, train=0.7)
    assert codes(slowed) == ["inputs_not_normalised"]
    assert codes(with_facts(slowed, batch_norms=1)) == []
    assert codes(trace(facts=weak, score=0.8, train=0.95)) == []


def test_a_rate_that_is_unusual_and_never_lowered_is_told_where_validation_leaves_much():
    weak = {"signal_validation": 0.7, "signal_others": 0.7}
    unusual = trace(facts=weak, config={"lr": 0.05}, lr=0.05, score=0.78, train=0.9)

    assert codes(unusual) == ["learning_rate_too_high"]
    lowered = tuple(replace(one, lr=0.05 / one.epoch) for one in unusual.epochs)
    assert codes(replace(unusual, epochs=lowered)) == []
    assert codes(trace(facts=weak, config={"lr": 0.05}, lr=0.05, score=0.9, train=0.9)) == []


def test_jumps_below_the_loss_of_validation_are_what_was_learnt_by_heart():
    falling = [2.3 * 0.6**epoch for epoch in range(1, 21)]
    falling[15] = 0.4
    rows = tuple(record(place, train_loss=loss, val_loss=0.02 + loss) for place, loss in enumerate(falling, 1))
    by_heart = tuple(replace(one, val_loss=0.7) for one in rows)

    assert codes(replace(trace(), epochs=rows)) == ["loss_spikes"]
    assert codes(replace(trace(), epochs=by_heart)) == []


def test_epochs_of_a_moment_say_nothing_of_speed():
    brief = tuple(replace(one, train_seconds=0.02, seconds=0.03) for one in ILL["slow_steps"].epochs)

    assert codes(replace(ILL["slow_steps"], epochs=brief)) == []
