"""A person's own module and loader get what agents get: the engine, the record, checkpoints, retries, diagnosis."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, WeightedRandomSampler

import trainwell
from tests.python.models import loader, rows, simple
from tests.waiting import until
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

QUIET = {"verbose": False, "precision": "fp32"}


def train(model, train_loader, tmp_path, *arguments, **options):
    return trainwell.train(model, train_loader, *arguments, workspace=tmp_path, **{**QUIET, **options})


def refused(**arguments):
    with pytest.raises(trainwell.TrainwellError) as caught:
        trainwell.train(**{"verbose": False, **arguments})
    return caught.value


def test_the_quick_start_learns_and_is_kept_like_any_run(tmp_path, services, call):
    model = simple()
    run = train(model, loader(), tmp_path, epochs=10, lr=1e-2)

    assert (run.state, run.reason) == ("completed", "completed")
    assert run.best["val_accuracy"] > 0.9
    assert [record.epoch for record in run.history] == list(range(1, 11))
    assert run.model is model
    assert not model.training
    assert run.evaluate(loader(300, seed=1))["metrics"]["accuracy"] > 0.9
    x, y = rows(100, seed=2)
    assert (run.predict(x) == y).float().mean() > 0.9
    assert model(x).shape == (100, 2)
    saved = load_file(run.checkpoint)
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    assert run.diagnose() == trainwell.diagnose(run.handle, workspace=tmp_path) == []
    seen = call("get_run", run=run.handle, detail="full")
    assert (seen["state"], seen["best"]["val_accuracy"]) == ("completed", pytest.approx(run.best["val_accuracy"]))
    assert (tmp_path / seen["picture"]).read_bytes().startswith(b"\x89PNG")
    assert "epoch 10" in (run.folder / "log.txt").read_text()
    assert call("list_runs")["runs"][0]["run"] == run.handle
    assert call("diagnose", run=run.handle)["findings"] == []


def test_the_tools_say_that_they_cannot_build_a_network_of_python(tmp_path, services, refuse):
    run = train(simple(), loader(60), tmp_path, epochs=1)

    error = refuse("evaluate", run=run.handle)
    assert error["code"] == "python_network"
    assert "trainwell.evaluate" in error["hint"]


def test_epochs_are_told_on_standard_error(tmp_path, capsys):
    train(simple(), loader(60), tmp_path, epochs=2, verbose=True)

    told = capsys.readouterr()
    assert told.out == ""
    assert "epoch 2/2 train_loss=" in told.err


def of(*tensors, **options):
    return DataLoader(TensorDataset(*tensors), **options)


@pytest.mark.parametrize(
    ("arguments", "code", "argument"),
    [
        ({"model": nn.Linear}, "wrong_type", "model"),
        ({"model": nn.Flatten()}, "nothing_to_train", "model"),
        ({"train_loader": list(loader())}, "wrong_type", "train_loader"),
        ({"train_loader": of(torch.zeros(0, 10), torch.zeros(0))}, "empty_loader", "train_loader"),
        ({"val_loader": 7}, "wrong_type", "val_loader"),
        ({"epochs": 0}, "out_of_range", "epochs"),
        ({"lr": 2.0}, "out_of_range", "lr"),
        ({"optimizer": "adan"}, "not_one_of", "optimizer"),
        ({"weigth_decay": 0.1}, "unknown_argument", "weigth_decay"),
        ({"batch_size": 8}, "not_from_python", "batch_size"),
        ({"on_finding": "repair"}, "not_from_python", "on_finding"),
        ({"augment": ["flip"]}, "augmentation_does_not_fit", "augment"),
        ({"task": "ranking"}, "unknown_task", "task"),
        ({"task": "regression"}, "task_does_not_fit", "task"),
        ({"train_loader": of(torch.zeros(9, 10))}, "unsupported_batch", "train_loader"),
        ({"train_loader": of(torch.zeros(3, 10), torch.zeros(3).long())}, "too_few_rows", "train_loader"),
        ({"train_loader": of(torch.zeros(9, 10), torch.full((9,), 2))}, "target_out_of_range", "train_loader"),
        ({"resume": "run_nobody_000000"}, "unknown_handle", "resume"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_kept(tmp_path, arguments, code, argument):
    error = refused(**{"model": simple(), "train_loader": loader(), "workspace": tmp_path, **arguments})

    assert (error.code, error.argument) == (code, argument)
    assert not list((tmp_path / ".trainwell" / "runs").glob("*")) if (tmp_path / ".trainwell").exists() else True


def test_a_misspelt_argument_names_the_nearest(tmp_path):
    assert "weight_decay" in refused(model=simple(), train_loader=loader(), workspace=tmp_path, weigth_decay=0.1).hint


def test_without_rows_to_validate_by_a_seeded_part_is_held_out(tmp_path):
    run = train(simple(), loader(200), tmp_path, epochs=1)
    other = train(simple(), loader(200), tmp_path, epochs=1, val_loader=loader(50, seed=1))

    assert run.data.splits == {"train": 170, "validation": 30}
    assert any("30 rows are held out" in word for word in run.decisions)
    assert other.data.splits == {"train": 200, "validation": 50}


class Table(Dataset):
    """Rows one by one; `noise` makes them different each time they are read."""

    def __init__(self, noise=0.0, count=300):
        (self.x, self.y), self.noise, self.reads = rows(count), noise, 0

    def __len__(self):
        return len(self.y)

    def __getitem__(self, place):
        self.reads += 1
        return self.x[place] + self.noise * torch.randn(10), int(self.y[place])


def test_rows_that_read_the_same_twice_are_read_once(tmp_path):
    table = Table()
    run = train(simple(), DataLoader(table, batch_size=32, shuffle=True), tmp_path, epochs=5, lr=1e-2)

    assert table.reads <= 300 + 2 * 32 + 1
    assert run.best["val_accuracy"] > 0.85


def test_rows_that_are_augmented_are_read_anew_each_epoch(tmp_path):
    table = Table(noise=0.1)
    run = train(simple(), DataLoader(table, batch_size=32, shuffle=True), tmp_path, epochs=5, lr=1e-2)

    assert table.reads > 5 * 255
    assert run.best["val_accuracy"] > 0.85
    assert any("anew each epoch" in word for word in run.decisions)


class Endless(IterableDataset):
    def __iter__(self):
        x, y = rows(200)
        yield from zip(x, y, strict=True)


def test_an_iterable_is_streamed_and_needs_rows_to_validate_by(tmp_path):
    streamed = DataLoader(Endless(), batch_size=32)
    assert refused(model=simple(), train_loader=streamed, workspace=tmp_path).argument == "val_loader"
    run = train(simple(), streamed, tmp_path, epochs=5, lr=1e-2, val_loader=loader(100, seed=1))

    assert run.data.splits["train"] == 200
    assert run.history[-1].step == 5 * 7
    assert run.best["val_accuracy"] > 0.85


def test_a_sampler_of_its_own_is_kept(tmp_path):
    x, y = rows(200)
    weights = (y == 1).double()  # the loader gives one class only
    sampler = WeightedRandomSampler(weights, 64)
    mine = DataLoader(TensorDataset(x, y), batch_size=16, sampler=sampler)
    run = train(simple(), mine, tmp_path, epochs=6, lr=1e-2, val_loader=loader(100, seed=1))

    assert run.history[-1].step == 6 * 4
    assert run.predict(x).float().mean() > 0.95


def test_parts_of_a_dataset_are_taken_as_arrays(tmp_path):
    part = Subset(TensorDataset(*rows(300)), range(100, 300))
    run = train(simple(), DataLoader(part, batch_size=50), tmp_path, epochs=2)

    assert run.data.splits["train"] + run.data.splits["validation"] == 200


def test_values_labels_and_the_inputs_themselves_are_learnt(tmp_path):
    x, _ = rows(300)
    value = 3 * x[:, :1] + 1
    marks = (x[:, :3] > 0).float()
    found = {}
    for name, model, target in (
        ("regression", nn.Sequential(nn.Linear(10, 1), nn.Flatten(0)), value[:, 0]),
        ("multilabel", nn.Linear(10, 3), marks),
        ("reconstruction", nn.Linear(10, 10), x),
        ("binary", nn.Linear(10, 1), (x[:, 0] > 0).long()),
        ("values", nn.Sequential(nn.Linear(10, 4), nn.Unflatten(1, (2, 2))), x[:, :4].reshape(-1, 2, 2)),
    ):
        data = DataLoader(TensorDataset(x, target), batch_size=16, shuffle=True)
        run = train(model, data, tmp_path, epochs=20, lr=0.1, name=name)
        report = run.evaluate(data)
        found[name] = (run.data.task, report["metrics"])
        assert run.predict(x).shape == (target.shape if name != "binary" else (300, 1))
        assert report["baseline"]["beaten"], (name, report)
    assert {name: task for name, (task, _) in found.items()} == {
        "regression": "regression", "multilabel": "multilabel", "reconstruction": "reconstruction",
        "binary": "multilabel", "values": "regression",
    }  # fmt: skip
    assert found["multilabel"][1]["f1_micro"] > 0.9
    assert found["values"][1]["r2"] > 0.95


def test_a_target_on_a_scale_that_is_hard_to_learn_is_told(tmp_path):
    x, _ = rows(60)
    told = [
        any("standardise" in word for word in train(nn.Linear(10, 1), of(x, target), tmp_path, epochs=1).decisions)
        for target in (x[:, 0], 1000 + x[:, 0])
    ]

    assert told == [False, True]


def test_a_loss_that_is_not_finite_is_tried_again_with_a_lower_rate(tmp_path):
    class Fragile(nn.Module):
        """NaN once its weights have moved far."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(10, 2)
            self.start = self.linear.weight.detach().clone()

        def forward(self, x):
            moved = (self.linear.weight - self.start).abs().max()
            return self.linear(x) + torch.where(moved > 1.5, torch.nan, 0.0)

    run = train(Fragile(), loader(), tmp_path, epochs=2, lr=0.5)

    assert run.state == "completed"
    with_store = Store.open(Workspace.open(tmp_path))
    attempts = with_store.history.attempts(run.handle)
    with_store.database.close()
    assert [one.cause for one in attempts] == ["non_finite_loss", None]
    assert attempts[1].changes["lr"] == pytest.approx(0.05)
    assert run.diagnose()[0].code == "non_finite_loss"


def test_what_the_network_raises_comes_through_and_the_run_is_kept_as_failed(tmp_path, services, call):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.calls = nn.Linear(10, 2), 0

        def forward(self, x):
            self.calls += self.training
            if self.calls > 5:
                raise ValueError("a fault of mine")
            return self.linear(x)

    with pytest.raises(ValueError, match="a fault of mine") as caught:
        train(Broken(), loader(), tmp_path, epochs=3)

    assert "resume=" in caught.value.__notes__[0]
    row = call("list_runs")["runs"][0]
    assert row["state"] == "failed"
    assert "a fault of mine" in row["reason"]


def test_an_interrupt_stops_in_good_order_and_the_run_can_go_on(tmp_path):
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    run = train(simple(), loader(), tmp_path, epochs=1000, early_stopping=0)
    timer.join()

    assert (run.state, run.reason) == ("stopped", "interrupted")
    done = run.history[-1].epoch
    assert 0 < done < 1000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert (
        refused(model=simple(), train_loader=loader(seed=9), workspace=tmp_path, resume=run.handle).code
        == "data_changed"
    )
    assert (
        refused(model=simple(), train_loader=loader(), workspace=tmp_path, resume=run.handle, lr=0.3).code
        == "settings_differ"
    )


SCRIPT = textwrap.dedent("""
    import sys, torch, trainwell
    from torch.utils.data import DataLoader
    from tests.python.models import loader, simple
    from tests.python.test_training import Table
    noisy = sys.argv[3] == "stream"
    rows = DataLoader(Table(noise=0.1), batch_size=32, shuffle=True) if noisy else loader()
    resume = sys.argv[2] or None
    run = trainwell.train(simple(seed=7 if resume else 0), rows, int(sys.argv[4]), workspace=sys.argv[1], verbose=False,
                          deterministic=True, early_stopping=0, resume=resume, name="killed")
    print(run.handle, float(sum(w.double().sum() for w in run.model.state_dict().values())))
""")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "epochs"), [("arrays", 300), ("stream", 60)])
def test_a_killed_script_goes_on_bit_for_bit(tmp_path, kind, epochs):
    def script(folder, resume=""):
        command = [sys.executable, "-c", SCRIPT, str(folder), resume, kind, str(epochs)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())  # noqa: PTH109

    whole = script(tmp_path / "whole").communicate(timeout=120)[0].split()
    victim = script(tmp_path / "killed")
    folder = tmp_path / "killed" / ".trainwell" / "runs"
    until(lambda: list(folder.glob("*/checkpoints/step-*/manifest.json")), what="a checkpoint")
    victim.kill()
    victim.wait()
    victim.stdout.close()
    handle = next(folder.iterdir()).name
    found = script(tmp_path / "killed", handle).communicate(timeout=120)[0].split()

    assert found[0] == handle
    assert found[1] == whole[1]
    store = Store.open(Workspace.open(tmp_path / "killed"))
    assert store.history.attempts(handle)[-1].resumed_from_step > 0
    assert [one.epoch for one in store.history.epochs(handle)] == list(range(1, epochs + 1))
    store.database.close()


class Frozen(nn.Module):
    """A network whose making draws nothing."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(10, 2))

    def forward(self, x):
        return x @ self.weight


def test_the_random_state_of_the_program_stays_as_it_was(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train(Frozen(), loader(60), tmp_path, epochs=1)

    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_importing_trainwell_loads_no_torch():
    code = "import sys, trainwell; dir(trainwell); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
