import pytest

from tests.factories import model_spec, prepared_data
from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Recipe
from trainwell.training.recipes import LR, LR_OF_OPTIMIZER, epochs_for, resolve

OPEN = {
    "epochs": None, "lr": None, "batch_size": None, "optimizer": "adamw", "weight_decay": None, "scheduler": "onecycle",
    "warmup": None, "precision": "auto", "grad_clip": 1.0, "accumulate": 1, "early_stopping": 15,
    "class_weights": "none", "label_smoothing": None, "augment": None, "ema": None, "swa": 0.0, "seed": 0,
    "deterministic": False, "max_minutes": None, "on_finding": "report",
}  # fmt: skip


def resolved(rows=10_000, limits=None, **asked):
    data = prepared_data(splits={"train": rows, "validation": 100, "test": 100})
    return resolve({**OPEN, **asked}, model_spec(), data, limits)


@pytest.fixture
def family(monkeypatch):
    """Let the family have this recipe."""
    return lambda **fields: monkeypatch.setattr(architectures, "recipe", lambda *_: Recipe(**fields))


def test_what_is_open_is_closed_and_told():
    config, words = resolved()

    assert (config.lr, config.weight_decay, config.label_smoothing, config.augment, config.ema) == (LR, 0.01, 0, (), 0)
    assert {word.split()[0] for word in words} == {"epochs", "lr", "weight_decay"}


def test_what_was_asked_is_obeyed_to_zero():
    asked = {"epochs": 3, "lr": 0.1, "weight_decay": 0.0, "label_smoothing": 0.2, "augment": ["mixup"], "ema": 0.9}
    config, words = resolved(**asked)

    assert {name: vars(config)[name] for name in asked} == {**asked, "augment": ("mixup",)}
    assert words == []


def test_a_family_closes_what_it_knows_better(family):
    family(epochs=7, lr=0.01, batch_size=100, weight_decay=0.0, label_smoothing=0.1, augment=("flip",), ema=0.99)
    config, words = resolved()

    assert (config.epochs, config.lr, config.batch_size, config.weight_decay) == (7, 0.01, 100, 0.0)
    assert (config.label_smoothing, config.augment, config.ema) == (0.1, ("flip",), 0.99)
    assert "augment flip: chosen for mlp" in words
    assert resolved(augment=[], ema=0.0, epochs=2)[0].augment == ()


def test_few_rows_are_seen_often_and_many_a_few_times():
    epochs = [epochs_for(rows, batch) for rows, batch in ((100, 16), (1000, 32), (60_000, 256), (10**6, 1024))]

    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[1]) == (40, 40)
    assert 8 <= epochs[2] <= 15
    assert epochs[3] >= 5


@pytest.mark.parametrize(("optimizer", "times"), [("adamw", 2.0), ("muon", 2.0), ("sgd", 4.0)])
def test_a_larger_batch_takes_a_higher_rate(optimizer, times):
    usual, _ = resolved(optimizer=optimizer)
    large, words = resolved(optimizer=optimizer, batch_size=1024)

    assert usual.lr == pytest.approx(LR * LR_OF_OPTIMIZER[optimizer])
    assert large.lr == pytest.approx(times * usual.lr)
    assert any("4 times the usual 256" in word for word in words)


def test_a_given_rate_is_obeyed_and_what_scaling_would_take_is_told():
    config, words = resolved(batch_size=1024, lr=0.001)

    assert config.lr == 0.001
    assert any(word.startswith("lr 0.001: as asked") and word.endswith("0.004") for word in words)
    assert not any(word.startswith("lr") for word in resolved(batch_size=256, lr=0.001)[1])


def test_automatic_values_stay_within_the_manifests_limits():
    limits = {"epochs": (1.0, 20.0), "lr": (1e-6, 1e-3), "batch_size": (1.0, 16.0), "weight_decay": (0.1, 1.0)}
    config, words = resolved(1000, limits=limits)

    assert (config.epochs, config.lr, config.batch_size, config.weight_decay) == (20, 1e-3, 16, 0.1)
    assert isinstance(config.epochs, int)
    assert "epochs 20: the manifest allows 1 to 20" in words


@pytest.mark.parametrize(
    ("augment", "code"), [(["flop"], "unknown_augmentation"), (["mixup", "flip"], "augmentation_does_not_fit")]
)
def test_augmentations_that_cannot_be_are_refused(augment, code):
    with pytest.raises(TrainwellError) as error:
        resolved(augment=augment)
    assert error.value.code == code
