"""Somebody's own loop gets the findings that a run of ours gets, and is not changed by a bit."""

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import trainwell
from trainwell.contract.errors import TrainwellError

IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES, DIGITS = torch.tensor(IMAGES / 16, dtype=torch.float32), torch.tensor(DIGITS)
TRAIN = 800


def network(*last, width=32):
    return nn.Sequential(
        nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 10), *last
    )


class Loop:
    """A plain loop; each fault of it is a keyword."""

    def __init__(self, model=None, optimizer=None, loss=None, rows=IMAGES, **faults):
        torch.manual_seed(0)
        self.model = network() if model is None else model()
        self.optimizer = (optimizer or (lambda made: torch.optim.Adam(made.parameters(), 3e-3)))(self.model)
        self.loss, self.rows, self.faults, self.losses = loss or nn.CrossEntropyLoss(), rows, faults, []

    def run(self, watch=None, epochs=4, target=DIGITS):
        for epoch in range(epochs):
            if "never_train" not in self.faults or not epoch:
                self.model.train()
            for rows in torch.randperm(TRAIN).split(50):
                loss = self.loss(self.model(self.rows[rows]), target[rows])
                if "keep_gradients" not in self.faults:
                    self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.losses.append(loss.item())
                if watch is not None:
                    watch.step(loss, batch=(self.rows[rows], target[rows]))
            if watch is not None:
                watch.epoch(**self.judged(target))
        return self

    def judged(self, target):
        if "never_eval" not in self.faults:
            self.model.eval()
        with torch.no_grad():
            output = self.model(self.rows[TRAIN:])
            right = (output.argmax(1) == target[TRAIN:]).float().mean() if target is DIGITS else None
            loss = self.loss(output, target[TRAIN:])
        return {"val_loss": loss} | ({} if right is None else {"val_accuracy": right})

    def findings(self, **options):
        with trainwell.watch(self.model, self.optimizer, loss=self.loss, **options) as watch:
            self.run(watch, self.faults.get("epochs", 4))
        return watch, [finding.code for finding in watch.findings()]


def test_watching_changes_no_bit_of_the_losses_and_of_the_weights():
    alone = Loop().run()
    watched = Loop()
    with trainwell.watch(watched.model, watched.optimizer, loss="cross_entropy") as watch:
        watched.run(watch)

    assert watched.losses == alone.losses
    pairs = zip(watched.model.state_dict().values(), alone.model.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert watch.findings() == []
    assert watch.looker.notes == []


def test_the_hooks_are_taken_away_at_the_end():
    loop = Loop()
    before = copy.deepcopy([vars(layer).get("_forward_hooks") for layer in loop.model.modules()])
    watch, _ = loop.findings()

    kept = [vars(layer) for layer in loop.model.modules()]
    assert [one.get("_forward_hooks") for one in kept] == before
    assert not any(one["_forward_pre_hooks"] for one in kept)
    assert not any(weight._backward_hooks for weight in loop.model.parameters())
    assert not loop.optimizer._optimizer_step_pre_hooks
    assert not loop.optimizer._optimizer_step_post_hooks
    loop.run(watch, epochs=1)  # it may go on; nothing is looked at any more
    assert len(watch.epochs) == 5


def test_looks_name_the_layers_and_hold_gradients_updates_and_units():
    watch, _ = Loop().findings()

    assert [look.step for look in watch.signals[:8]] == list(range(8))
    first = watch.signals[0]
    assert list(first.grad_norms) == ["0.weight", "4.weight"]
    assert all(0 < ratio < 1 for ratio in first.update_ratios.values())
    assert first.loss == pytest.approx(watch._losses[0])
    assert "2" in first.dead
    record = watch.epochs[-1]
    assert (record.epoch, record.step) == (4, 64)
    assert record.val_accuracy > 0.8
    assert record.train_loss == pytest.approx(sum(watch._losses[-16:]) / 16)


FAULTS = {
    "softmax_before_loss": {"model": lambda: network(nn.Softmax(1))},
    "missing_zero_grad": {"keep_gradients": True, "optimizer": lambda m: torch.optim.SGD(m.parameters(), 1e-3)},
    "parameters_not_optimised": {"optimizer": lambda m: torch.optim.Adam(m[4].parameters(), 1e-3)},
    "eval_mode_in_training": {"never_train": True},
    "train_mode_in_validation": {"never_eval": True},
    "learning_rate_too_high": {
        "model": lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        "optimizer": lambda m: torch.optim.SGD(m.parameters(), 50.0),
        "epochs": 6,
    },
    "no_nonlinearity": {
        "model": lambda: nn.Sequential(nn.Linear(64, 16), nn.Linear(16, 10)),
        "optimizer": lambda m: torch.optim.Adam(m.parameters(), 1e-3),
        "epochs": 6,
    },
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_the_loop_or_the_network_is_found(code):
    loop = Loop(**FAULTS[code])

    assert loop.findings()[1][0] == code


class Drops(nn.Module):
    """Dropout that is no layer but a function."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, rows):
        return self.last(functional.dropout(self.first(rows).relu(), 0.5, self.training))


@pytest.mark.parametrize("model", [Drops, lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))])
def test_judging_in_training_mode_is_a_fault_where_the_network_draws(model):
    watch, codes = Loop(model=model, never_eval=True).findings()

    assert watch.looker.facts["judges_in_train_mode"] is True
    assert codes == (["train_mode_in_validation"] if model is Drops else [])
    assert watch.looker.notes == []


def test_squares_of_values_in_their_own_units_are_measured_by_the_spread_of_the_target():
    loop = Loop(model=lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)), loss=nn.MSELoss())
    target = 30 * DIGITS.float()[:, None]
    with trainwell.watch(loop.model, loop.optimizer, loss=loop.loss) as watch:
        loop.run(watch, target=target, epochs=2)

    assert watch.trace().data["chance_loss"] == pytest.approx(float(target[:TRAIN].var()), rel=0.05)


def one_unit(last):
    return lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), last, nn.Flatten())


HELD_BACK = {
    "a softmax over one unit": (one_unit(nn.Softmax(1)), nn.BCELoss(), (DIGITS > 4).float()[:, None]),
    "a sigmoid for large values": (one_unit(nn.Sigmoid()), nn.L1Loss(), 3.0 * DIGITS.float()[:, None]),
    "a ReLU before the classes": (lambda: network(nn.ReLU()), nn.CrossEntropyLoss(), DIGITS),
}


@pytest.mark.parametrize(("model", "loss", "target"), HELD_BACK.values(), ids=HELD_BACK)
def test_what_holds_the_outputs_back_is_read_from_the_network(model, loss, target):
    loop = Loop(model=model, loss=loss)
    with trainwell.watch(loop.model, loop.optimizer, loss=loop.loss) as watch:
        loop.run(watch, target=target, epochs=6)

    assert watch.findings()[0].code == "bad_output_activation"


def test_inputs_on_a_wild_scale_are_found_in_the_first_rows():
    loop = Loop(
        model=lambda: nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)), rows=IMAGES * 1e4, epochs=8
    )

    watch, codes = loop.findings()

    assert codes[0] == "inputs_not_normalised"
    assert watch.trace().facts["data.input_std"] > 1000


def test_a_clip_in_every_step_shows_in_norms_that_are_all_alike():
    def clipped(made):
        optimizer = torch.optim.SGD(made.parameters(), 1e-2)
        optimizer.register_step_pre_hook(clip)
        return optimizer

    def clip(optimizer, *_):
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1e-3)

    assert Loop(optimizer=clipped, epochs=6).findings()[1][0] == "clip_too_small"


def test_a_loss_that_climbs_in_every_epoch_under_short_steps_is_raised():
    def turned(made):
        optimizer = torch.optim.Adam(made.parameters(), 5e-3)
        optimizer.register_step_pre_hook(turn)
        return optimizer

    def turn(optimizer, *_):
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad.neg_()

    loop = Loop(
        model=lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), optimizer=turned, epochs=20
    )

    assert loop.findings()[1][0] == "wrong_sign"


def test_a_target_that_broadcasts_is_found():
    loop = Loop(model=lambda: nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1)), loss=nn.MSELoss())
    with (
        trainwell.watch(loop.model, loop.optimizer, loss=loop.loss) as watch,
        pytest.warns(UserWarning, match="different to the input size"),
    ):
        loop.run(watch, target=DIGITS.float())

    assert "target_shape" in [finding.code for finding in watch.findings()]


def test_validation_without_no_grad_is_no_training_in_evaluation_mode():
    loop = Loop()
    with trainwell.watch(loop.model, loop.optimizer, loss=loop.loss) as watch:
        for _ in range(3):
            loop.run(watch, epochs=1)
            loop.model.eval()
            loop.model(IMAGES[TRAIN:])

    assert watch.findings() == []


def test_gradients_that_are_accumulated_on_purpose_are_no_fault():
    loop = Loop()
    loop.model.train()
    with trainwell.watch(loop.model, loop.optimizer, loss=loop.loss) as watch:
        for rows in torch.randperm(TRAIN).split(50):
            loss = loop.loss(loop.model(IMAGES[rows]), DIGITS[rows]) / 2
            loss.backward()
            if rows[0] % 2:
                loop.optimizer.step()
                loop.optimizer.zero_grad()
                watch.step(loss)

    assert "missing_zero_grad" not in [finding.code for finding in watch.findings()]


def test_a_loss_that_is_not_finite_names_the_rows_of_its_batch(capsys):
    rows = IMAGES.clone()
    rows[7, 3] = torch.nan
    loop = Loop(rows=rows)
    told = []
    with trainwell.watch(loop.model, loop.optimizer, loss=loop.loss, on_finding=told.append) as watch:
        loop.run(watch, epochs=1)

    step = watch.bad_batch["step"]
    torch.manual_seed(0)
    loop.model = network()
    batches = torch.randperm(TRAIN).split(50)
    assert [int(batches[step][place]) for place in watch.bad_batch["rows"]] == [7]
    assert watch.bad_batch["weights_not_finite"] == ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]
    (place,) = watch.bad_batch["rows"]
    assert f"row {place} of the batch" in watch.findings()[0].cause
    assert told[0].code == "non_finite_inputs"
    assert "non_finite_loss" in told[0].also
    assert capsys.readouterr().err == ""


def test_findings_are_told_once_on_standard_error_when_asked(capsys):
    Loop(**FAULTS["softmax_before_loss"]).findings(on_finding=True)

    said = capsys.readouterr().err
    assert said.count("softmax_before_loss") == 1
    assert said.startswith("trainwell, step ")


def test_a_loop_without_epochs_is_judged_by_blocks_of_steps():
    loop = Loop(optimizer=lambda made: torch.optim.SGD(made.parameters(), 30.0))
    loop.model.train()
    with trainwell.watch(loop.model, loop.optimizer) as watch:
        for _ in range(10):
            for rows in torch.randperm(TRAIN).split(50):
                loss = functional.cross_entropy(loop.model(IMAGES[rows]), DIGITS[rows])
                loop.optimizer.zero_grad()
                loss.backward()
                loop.optimizer.step()
                watch.step(loss)

    assert len(watch.trace().epochs) == 30
    assert "learning_rate_too_high" in [finding.code for finding in watch.findings()]


def test_an_error_within_is_named_and_goes_on():
    loop = Loop()
    with pytest.raises(RuntimeError), trainwell.watch(loop.model, loop.optimizer) as watch:
        loop.model(torch.zeros(4, 8, 8))

    assert watch.findings()[0].code == "layer_shape_mismatch"
    assert watch.findings()[0].evidence["where"].startswith("test_watching.py:")


def test_a_network_that_cannot_be_asked_is_watched_all_the_same():
    class Shy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            if not self.training and len(x) < 60:
                raise ValueError
            return self.inner(x)

    watch, codes = Loop(model=Shy).findings()

    assert codes == []
    assert watch.looker.notes == ["The network was not looked at before its first step (ValueError)."]
    assert len(watch.signals) > 8


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"model": 3}, "wrong_type"),
        ({"optimizer": 1e-3}, "wrong_type"),
        ({"loss": "crossentropy"}, "unknown_loss"),
    ],
)
def test_what_cannot_be_watched_is_refused(arguments, code):
    loop = Loop()

    with pytest.raises(TrainwellError) as refused:
        trainwell.watch(**{"model": loop.model, "optimizer": loop.optimizer, **arguments})

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("measured", "code"), [({"val_los": 1.0}, "unknown_metric"), ({"val_loss": "low"}, "bad_metric")]
)
def test_a_measure_that_is_unknown_or_no_number_is_refused_and_closes_no_epoch(measured, code):
    loop = Loop()
    watch = trainwell.watch(loop.model, loop.optimizer)

    with pytest.raises(TrainwellError) as refused:
        watch.epoch(**measured)

    assert refused.value.code == code
    assert watch.epochs == []
    watch.close()
