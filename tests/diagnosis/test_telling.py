"""What an agent tells in words, as a log or as numbers leads to the right finding; what says nothing leads to none."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.diagnosis.tiny_runs import Case, fit
from trainwell.contract.errors import TrainwellError
from trainwell.diagnosis import WHAT_TO_TELL, diagnose, told
from trainwell.diagnosis.numbers import KNOWN

PHRASES = {
    "non_finite_loss": [
        "the criterion outputs nan after the first backward",
        "Loss becomes infinite",
        "got NaN loss in epoch 2, batch 17",
        "training produced NaNs",
        "loss is nan after epoch 3",
        "Loss becomes NaN",
        "I get nan losses",
        "the training loss turned into inf at step 120",
        "loss went to infinity",
        "my loss is not a number",
        "train loss: nan",
        "everything becomes nan after a few batches",
        "Loss = nan from the second epoch with lr=0.5",
        "loss suddenly NaN although it was going down",
        "gradients are nan",
        "non-finite loss",
        "After around 200 iterations the loss value turns to NaN and stays there",
        'I see "Loss: nan" from the very first step',
        "step 35: loss=inf",
        "cross entropy returns nan",
        "both losses are NaN since epoch 5",
        "all metrics are nan",
    ],
    "host_out_of_memory": [
        "MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 12.5 GiB for an array",
    ],
    "out_of_memory": [
        "cuda runs out of mem",
        "I get OutOfMemoryError on the second batch",
        "process exited with code 137 (OOM)",
        "the batch does not fit into GPU memory",
        "CUDA out of memory",
        "I run out of GPU memory",
        "the process was killed, OOM",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "not enough memory on the device",
        "MPS backend out of memory",
        "ran out of memory with batch size 512",
        "GPU memory is exhausted, CUDA OOM",
        "It crashes with an out-of-memory error when I use batch size 256",
        "cublas error: CUBLAS_STATUS_ALLOC_FAILED",
        "kernel oom-killed my python process",
        "std::bad_alloc",
    ],
    "overfitting": [
        "perfect on train, terrible on validation",
        "validation loss started to increase at epoch 7 whereas training loss is still going down",
        "train accuracy is 1.0 and val accuracy is stuck at 0.7",
        "the network has memorised the training rows",
        "val loss gets worse every epoch, train loss improves",
        "98% train accuracy vs 65% test accuracy",
        "val loss goes up while train loss falls",
        "validation loss is increasing while training loss decreases",
        "training loss keeps falling but val loss rises after epoch 10",
        "train accuracy 99% but val accuracy 60%",
        "the model overfits",
        "overfitting",
        "it memorizes the training set",
        "model does not generalise",
        "train acc is 0.99, val acc is 0.62",
        "training accuracy is high but test accuracy is low",
        "val_loss increases",
        "validation gets worse while train improves",
        "The validation error climbs after the fifth epoch although the training error keeps dropping",
        "large gap between training and validation accuracy",
        "rising validation loss",
        "train loss goes down, validation loss goes up",
        "train loss down and val loss up",
        "val loss stuck at 0.9 while train loss keeps decreasing",
        "train_loss=0.05 val_loss=1.4",
        "increasing val loss while decreasing train loss",
        "validation accuracy drops while training accuracy rises",
        "My network reaches 100% on the training set but only 71% on the validation set",
        "test loss starts rising after epoch 8 although train loss still drops",
        "the validation loss bottomed out at epoch 4 and has been climbing since",
        "training accuracy keeps rising, validation accuracy falls",
        "The model performs great on train data but poorly on test data",
        "train loss is near zero yet validation loss is large",
        "val loss is going up",
        "validation loss diverges from training loss",
        "eval loss grows while training loss shrinks",
        "The gap between train and test accuracy keeps growing",
    ],
    "plateau": [
        "the loss just sits at 1.1",
        "no learning happens",
        "training seems stuck",
        "loss decreases extremely slowly",
        "accuracy remains around 10%",
        "the loss does not budge",
        "loss plateaued after 3 epochs",
        "validation accuracy has not improved since the first epoch",
        "loss stuck at 2.30",
        "accuracy does not improve",
        "the loss plateaus",
        "loss does not go down",
        "loss isn't decreasing",
        "loss stays constant",
        "the model is not learning",
        "it doesn't learn anything",
        "loss won't go down",
        "loss is flat at 0.693",
        "val accuracy stuck at 10%",
        "accuracy stays at chance",
        "no improvement for 20 epochs",
        "the loss decreases very slowly",
        "loss stopped improving",
        "accuracy is not going up",
        "Training stagnates",
        "loss barely moves",
        "learning rate too low",
        "loss converges too slowly",
        "training loss is not decreasing and accuracy does not change",
        "the loss remains the same",
        "loss never drops below 2.3",
        "Loss hovers around 0.69 and never improves",
        "the network does not train, loss = 2.3026 all the time",
        "nothing is learned, accuracy is 10% with 10 classes",
        "training loss is completely flat",
        "loss refuses to go down",
        "no matter what I do, the loss stays the same",
        "my accuracy is stuck at 50 percent",
        "loss curve flattens at 1.9",
        "The training loss has not decreased for 15 epochs",
        "predictions are no better than random guessing",
    ],
    "learning_rate_too_high": [
        "loss is exploding after a few steps",
        "the loss suddenly jumped from 0.5 to 40",
        "training loss climbs",
        "loss is unstable and oscillating",
        "loss is all over the place",
        "the loss diverged",
        "loss explodes",
        "the loss blows up after some epochs",
        "training diverges",
        "loss goes up",
        "loss is increasing",
        "loss jumps around",
        "loss oscillates wildly",
        "the train loss spikes",
        "training is unstable",
        "loss fluctuates a lot",
        "learning rate is too high",
        "exploding loss",
        "loss rises from 2 to 500",
        "accuracy jumps up and down",
        "loss shoots up",
        "the loss grows every epoch",
        "loss gets worse each epoch",
        "train and val loss both go up",
        "loss goes from 2.3 to 1500 within one epoch",
        "training loss keeps increasing",
        "my loss is going up instead of down",
        "the loss curve is very spiky",
        "loss went up to 1e9",
        "train loss increases after each epoch and val loss too",
        "the loss bounces between 0.5 and 5",
        "divergence after 3 epochs",
    ],
    "underfitting": [
        "model is underfitting",
        "training accuracy is too low",
        "training and test accuracy are equally poor",
        "high bias: train accuracy 52%, validation accuracy 51%",
        "underfitting",
        "both train and val accuracy are low",
        "train accuracy is poor",
        "training and validation accuracy are both low",
        "it cannot even fit the training data",
        "train accuracy 0.55 val accuracy 0.54",
        "training loss is high",
        "model underfits the data",
        "train and test scores are both bad",
        "the model is too weak, training accuracy only 40% and validation 39%",
        "It underfits",
        "poor performance on both training and validation data",
        "training error remains high",
    ],
    None: [
        "thanks!",
        "the run finished with 95% accuracy",
        "is 0.9 accuracy good?",
        "which optimizer is best?",
        "loss fell to 0.02",
        "val loss and train loss both fall",
        "val loss is 0.21, train loss 0.2",
        "everything is fine",
        "loss is going down nicely",
        "no nan, no problems",
        "hello",
        "how do I train a model?",
        "the loss is not nan",
        "it is not overfitting",
        "training is very slow, 3 samples per second",
        "val loss does not rise",
        "",
        "the accuracy improves",
        "loss falls and accuracy rises",
        "the cat sat on the mat",
        "what is the learning rate?",
        "training loss decreases and validation loss decreases too",
        "train loss 0.1 val loss 0.12",
        "no overfitting visible",
        "accuracy went from 0.5 to 0.9",
        "the model learns well",
        "loss converges",
        "all good, val accuracy 97%",
        "I want to increase the accuracy",
        "how can I reduce training time?",
        "loss decreases steadily",
        "what batch size should I use?",
        "train accuracy 0.97 and val accuracy 0.96",
        "please explain the metrics",
        "loss is lower than before",
        "the loss went down from 2.3 to 0.1 and accuracy rose to 98%",
    ],
}

LOGS = {
    "one line an epoch": (
        "epoch 1 train_loss=0.9 val_loss=0.95\nepoch 2 train_loss=0.5 val_loss=0.7\n"
        "epoch 3 train_loss=0.12 val_loss=0.9",
        [(1, 0.9, 0.95), (2, 0.5, 0.7), (3, 0.12, 0.9)],
        "overfitting",
    ),
    "Keras": (
        "Epoch 1/3\n45/45 ━━━ 2s 10ms/step - accuracy: 0.3 - loss: 2.1 - val_accuracy: 0.4 - val_loss: 1.9\n"
        "Epoch 2/3\n45/45 ━━━ 1s - accuracy: 0.5 - loss: 1.1 - val_accuracy: 0.6 - val_loss: 1.2\n"
        "Epoch 3/3\n45/45 ━━━ 1s - accuracy: 0.7 - loss: nan - val_accuracy: 0.6 - val_loss: nan",
        [(1, 2.1, 1.9), (2, 1.1, 1.2), (3, math.nan, math.nan)],
        "non_finite_loss",
    ),
    "Lightning": (
        "Epoch 0: 100%|████| 20/20 [00:01<00:00, 15.2it/s, v_num=1, train_loss=0.500, val_loss=0.600]\n"
        "Epoch 1: 100%|████| 20/20 [00:01<00:00, 15.2it/s, v_num=1, train_loss=0.400, val_loss=0.500]",
        [(0, 0.5, 0.6), (1, 0.4, 0.5)],
        None,
    ),
    "Hugging Face": (
        "{'loss': 2.5, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 2.45, 'eval_accuracy': 0.11, 'eval_runtime': 2.1, 'epoch': 1.0}\n"
        "{'loss': 0.0, 'grad_norm': nan, 'learning_rate': 3e-05, 'epoch': 2.0}",
        [(1, 2.5, 2.45), (2, 0.0, None)],
        "non_finite_loss",
    ),
    "CSV": (
        "epoch,train_loss,val_loss,val_acc\n1,2.3,2.2,10\n2,1.9,1.8,30\n3,1.2,1.4,50",
        [(1, 2.3, 2.2), (2, 1.9, 1.8), (3, 1.2, 1.4)],
        None,
    ),
    "JSON lines": (
        '{"epoch": 1, "train_loss": 0.5, "val_loss": null}\n{"epoch": 2, "train_loss": NaN, "val_loss": NaN}',
        [(1, 0.5, None), (2, math.nan, math.nan)],
        "non_finite_loss",
    ),
    "steps without epochs": (
        "\n".join(f"step {step} loss {loss}" for step, loss in [(1, 2.3), (2, 2.1), (3, 45.0), (4, 1200), (5, 9000.5)]),
        [(1, 2.3, None), (2, 2.1, None), (3, 45.0, None), (4, 1200.0, None), (5, 9000.5, None)],
        "learning_rate_too_high",
    ),
    "sides as headings": (
        "Epoch 1\n-----\nTrain: loss=1.2 acc=0.5\nVal: loss=1.3 acc=0.45\nEpoch 2\n"
        "-----\nTrain: loss=1.0\nVal: loss=1.2",
        [(1, 1.2, 1.3), (2, 1.0, 1.2)],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [(text, code) for code, texts in PHRASES.items() for text in texts],
    ids=lambda part: str(part)[:60],
)
def test_words_lead_to_the_finding_that_they_describe(text, code):
    findings = diagnose(told(text))

    assert (findings[0].code if findings else None) == code


@pytest.mark.parametrize("kind", LOGS)
def test_a_pasted_log_becomes_epochs(kind):
    log, rows, code = LOGS[kind]

    trace = told(log=log)

    seen = [(record.epoch, record.train_loss, record.val_loss) for record in trace.epochs]
    assert repr(seen) == repr(rows)  # nan equals nan in words
    assert (diagnose(trace)[0].code if diagnose(trace) else None) == code


def test_percent_become_shares():
    trace = told(log="epoch 1 train acc 45.2% val acc: 81.2\nepoch 2 train acc 55.2% val acc: 80.2")

    assert [record.train_accuracy for record in trace.epochs] == [0.452, 0.552]
    assert [record.val_accuracy for record in trace.epochs] == [0.812, 0.802]


def test_a_traceback_yields_the_error_and_its_sizes():
    log = (
        "Epoch 1\nTraceback (most recent call last):\n  ...\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    )

    (finding,) = diagnose(told(log=log))

    assert finding.code == "out_of_memory"
    assert finding.evidence["requested_bytes"] == 2 * 2**30


def test_a_stuck_loss_is_recognised_as_guessing():
    (finding,) = diagnose(told("loss stuck at 2.30"))

    assert "guessing among 10 classes" in finding.symptom


def test_settings_named_in_passing_sharpen_the_finding():
    (finding,) = diagnose(told("With Adam and a learning rate of 0.5 the loss is stuck at 2.3"))

    assert finding.code == "learning_rate_too_high"
    assert finding.fixes[0].patch == {"train": {"lr": 0.01}}


def test_numbers_alone_are_judged_as_a_run_is():
    noisy = fit(Case(rows=150, label_noise=0.3, epochs=60, batch_size=32))
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    metrics = {name: [getattr(record, name) for record in noisy.epochs] for name in names} | {"lr": 0.002}

    findings = diagnose(told(metrics=metrics))

    assert [finding.code for finding in findings] == ["overfitting"]


def test_null_nan_and_infinity_are_values():
    for broken in (None, math.nan, "NaN", math.inf, "-inf"):
        (finding, *_) = diagnose(told(metrics={"train_loss": [2.3, 2.0, broken], "lr": 0.5}))

        assert (finding.code, finding.evidence["first_bad_epoch"]) == ("non_finite_loss", 3)
        json.dumps(finding.model_dump(), allow_nan=False)


def test_validation_that_ran_every_second_epoch_has_gaps_not_faults():
    trace = told(metrics={"train_loss": [2.0, 1.5, 1.2, 1.0], "val_loss": [None, 1.6, None, 1.2]})

    assert [record.val_loss for record in trace.epochs] == [None, 1.6, None, 1.2]
    assert diagnose(trace) == []


def test_lists_of_unequal_length_meet_at_the_first_epoch_and_steps_are_averaged():
    shorter = told(metrics={"train_loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 2.5]})
    by_step = told(metrics={"train_loss": [4.0, 2.0, 1.0, 1.0, 0.5, 0.1], "val_loss": [3.5, 2.5]})

    assert [(record.train_loss, record.val_loss) for record in shorter.epochs] == [(3.0, 3.5), (2.0, 2.5), (1.0, None)]
    assert [(round(record.train_loss, 3), record.val_loss) for record in by_step.epochs] == [(2.333, 3.5), (0.533, 2.5)]


def test_a_single_last_value_shows_a_gap():
    (finding,) = diagnose(told(metrics={"train_accuracy": 0.99, "val_accuracy": 0.6}))

    assert finding.code == "overfitting"


@pytest.mark.parametrize(
    ("metrics", "code", "argument"),
    [
        ({"trian_loss": [1.0]}, "unknown_metric", "metrics/trian_loss"),
        ({"train_loss": [1.0, True]}, "bad_metric", "metrics/train_loss/1"),
        ({"train_loss": [1.0, [2.0]]}, "bad_metric", "metrics/train_loss/1"),
        ({"val_loss": "rising"}, "bad_metric", "metrics/val_loss/0"),
        ({"optimizer": 3}, "bad_metric", "metrics/optimizer"),
        ({"train_loss": [1.0] * 10_001}, "too_many_values", "metrics"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(metrics, code, argument):
    with pytest.raises(TrainwellError) as refused:
        told(metrics=metrics)

    assert (refused.value.code, refused.value.argument) == (code, argument)
    json.dumps(refused.value.to_json(), allow_nan=False)


def test_a_misspelt_metric_is_answered_with_the_nearest():
    with pytest.raises(TrainwellError) as refused:
        told(metrics={"trian_loss": [1.0]})

    assert "train_loss" in refused.value.hint


def test_nothing_told_is_nothing_found_and_the_help_shows_every_way_to_tell():
    assert diagnose(told()) == []
    assert diagnose(told("", "", {})) == []
    assert all(word in WHAT_TO_TELL for word in ("symptoms", "log", "metrics"))


single = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(single, lambda inner: st.lists(inner, max_size=9), max_leaves=12)


@settings(max_examples=150)
@given(
    symptoms=st.none() | st.text(max_size=200),
    log=st.none() | st.text(max_size=300),
    metrics=st.none() | st.dictionaries(st.sampled_from(KNOWN), values, max_size=6),
)
def test_junk_is_refused_or_understood_but_never_fatal(symptoms, log, metrics):
    try:
        findings = diagnose(told(symptoms, log, metrics))
    except TrainwellError:
        return
    json.dumps([finding.model_dump() for finding in findings], allow_nan=False)
