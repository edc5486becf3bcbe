import pytest
import torch

from trainwell.training.schedules import PLATEAU_FLOOR, PLATEAU_PATIENCE, Plateau, Schedule


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


@pytest.mark.parametrize("name", ["onecycle", "cosine", "plateau", "constant"])
def test_rates_are_a_function_of_the_step_alone(name):
    schedule = Schedule(name, 0.1, 40)

    assert schedule.between(0, 17) + schedule.between(17, 40) == schedule.between(0, 40)
    assert max(schedule.between(0, 40)) == pytest.approx(0.1, rel=0.02)
    assert min(schedule.between(0, 40)) > 0


@pytest.mark.parametrize("name", ["onecycle", "cosine", "plateau", "constant"])
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
