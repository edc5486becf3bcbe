"""Equal work is done once for everybody who asks while it goes on."""

import json
from types import SimpleNamespace

import anyio
import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded, sharing


@pytest.fixture
def work(monkeypatch):
    """Work that counts how often it was begun, and gives that number when `go` is set, or fails with `failure`."""
    seen = SimpleNamespace(go=anyio.Event(), begun=0, failure=None)

    async def working(request):
        seen.begun += 1
        number = seen.begun
        await seen.go.wait()
        if seen.failure:
            raise seen.failure
        return json.dumps({"result": {"number": number}}).encode()

    monkeypatch.setattr(preloaded, "_ask_preloaded", working)
    monkeypatch.setattr(preloaded, "can_fork", lambda: True)
    return seen


@pytest.fixture
def ask(services):
    async def asking(sees="as it is", seconds=60, **arguments):
        return await preloaded.ask(services.workspace, "any", arguments, sees=sees, seconds=seconds)

    return asking


async def begun_alone(ask):
    """Somebody asks and gives up after the work has begun."""
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()


async def unheard_end(work):
    """The work ends, and what follows from that has followed."""
    work.go.set()
    for _ in range(10):
        await anyio.wait_all_tasks_blocked()


@pytest.mark.anyio
async def test_fifty_equal_looks_are_one(work, ask):
    told = []

    async def asking():
        told.append(await ask())

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(asking)
        await anyio.wait_all_tasks_blocked()
        work.go.set()

    assert told == 50 * [{"number": 1}]
    assert all(one is not told[0] for one in told[1:])


@pytest.mark.anyio
@pytest.mark.parametrize("other", [{"source": "b.csv"}, {"sees": "another content"}, {"sees": None}])
async def test_what_differs_in_arguments_or_content_or_changes_something_is_not_shared(work, ask, other):
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(lambda: ask(**other))
        await anyio.wait_all_tasks_blocked()
        assert work.begun == 2
        work.go.set()


@pytest.mark.anyio
async def test_an_answer_that_was_given_is_not_given_again(work, ask):
    work.go.set()

    assert [await ask(), await ask()] == [{"number": 1}, {"number": 2}]


@pytest.mark.anyio
async def test_who_gives_up_takes_nothing_from_the_others(work, ask):
    told = []

    async def asking():
        told.append(await ask())

    async with anyio.create_task_group() as group:
        await begun_alone(ask)
        group.start_soon(asking)
        await anyio.wait_all_tasks_blocked()
        work.go.set()

    assert told == [{"number": 1}]


@pytest.mark.anyio
async def test_who_asks_again_after_waiting_too_long_finds_the_answer(work, ask):
    with pytest.raises(TrainwellError, match="it goes on") as caught:
        await ask(seconds=0.05)
    await unheard_end(work)

    assert caught.value.code == "work_takes_long"
    assert [await ask(), await ask()] == [{"number": 1}, {"number": 2}]


@pytest.mark.anyio
async def test_an_answer_that_nobody_took_is_not_kept_for_ever(work, ask, monkeypatch):
    monkeypatch.setattr(sharing, "KEPT_SECONDS", 0.0)
    await begun_alone(ask)
    await unheard_end(work)

    assert await ask() == {"number": 2}


@pytest.mark.anyio
async def test_a_failure_is_told_to_who_waits_and_not_kept(work, ask):
    work.failure = TrainwellError("workers_unavailable", "None starts.")
    await begun_alone(ask)
    await unheard_end(work)
    with pytest.raises(TrainwellError, match="None starts"):
        await ask()
    work.failure = None

    assert await ask() == {"number": 3}


@pytest.mark.anyio
async def test_work_that_nobody_waits_for_and_that_has_not_begun_is_dropped(work, ask):
    async with anyio.create_task_group() as group:
        for number in range(preloaded.MOST_AT_ONCE):
            group.start_soon(lambda number=number: ask(row=number))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(TrainwellError, match="wait for its turn"):
            await ask(row="too late", seconds=0.05)
        work.go.set()

    assert work.begun == preloaded.MOST_AT_ONCE
