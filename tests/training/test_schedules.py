import pytest
import torch

from trainwell.training.schedules import FALLING, PLATEAU_FLOOR, PLATEAU_PATIENCE, Plateau, Schedule

NAMES = ["onecycle", "cosine", "cosine_restarts", "linear", "step", "plateau", "constant"]


def test_onecycle_is_that_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    known = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=50, cycle_momentum=False)
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        known.step()

    assert Schedule("onecycle", 0.01, 50).between(0, 50) == pytest.approx(rates, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_rates_are_a_function_of_the_step_alone(name):
    schedule = Schedule(name, 0.1, 40)

    assert schedule.between(0, 17) + schedule.between(17, 40) == schedule.between(0, 40)
    assert max(schedule.between(0, 40)) == pytest.approx(0.1, rel=0.02)
    assert min(schedule.between(0, 40)) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("steps", "warmup"), [(1, None), (2, 0.9), (3, 0.0), (7, 0.5)])
def test_the_shortest_runs_have_rates_too(name, steps, warmup):
    rates = Schedule(name, 0.1, steps, warmup).between(0, steps)

    assert len(rates) == steps
    assert all(0 < rate <= 0.1 for rate in rates)


def test_warmup_rises_to_the_peak_over_its_share_of_the_steps():
    rates = Schedule("constant", 1.0, 100, 0.2).between(0, 100)

    assert rates[:20] == sorted(rates[:20])
    assert rates[19] < 1.0
    assert set(rates[20:]) == {1.0}


def test_cosine_falls_to_almost_nothing():
    assert Schedule("cosine", 1.0, 1000).between(999, 1000)[0] < 1e-4


def test_plateau_lowers_the_rate_when_the_loss_stands_still_and_never_to_nothing():
    plateau = Plateau()
    assert not any(plateau.judge(loss) for loss in (3.0, 2.0, 1.0))
    assert [plateau.judge(1.0) for _ in range(PLATEAU_PATIENCE)] == [False] * (PLATEAU_PATIENCE - 1) + [True]
    assert plateau.factor == pytest.approx(0.3)
    for _ in range(200):
        plateau.judge(1.0)
    assert plateau.factor == PLATEAU_FLOOR


def test_linear_falls_along_a_line():
    rates = Schedule("linear", 1.0, 100, 0.0).between(0, 100)

    assert rates == pytest.approx([1 - step / 100 for step in range(100)])


def test_restarts_are_those_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    known = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
    rates = []
    for _ in range(70):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        known.step()

    assert Schedule("cosine_restarts", 1.0, 70, 0.0).between(0, 70) == pytest.approx(rates, rel=1e-9)


def test_step_drops_to_a_tenth_twice():
    assert Schedule("step", 1.0, 8, 0.0).between(0, 8) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("name", NAMES)
def test_a_held_rate_stays_what_it_was(name):
    free, held = Schedule(name, 0.1, 40), Schedule(name, 0.1, 40, held_from=30)

    assert held.between(0, 31) == free.between(0, 31)
    assert held.between(31, 40) == pytest.approx(free.between(30, 31) * 9)


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_falls_when_it_ends_low(name):
    assert (Schedule(name, 1.0, 1000).between(999, 1000)[0] < 0.05) == (name in FALLING)
