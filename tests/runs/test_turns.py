"""Short work takes turns: many who ask at once do not fill the machine with processes."""

import json
from types import SimpleNamespace

import anyio
import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded


@pytest.fixture
def crowd(monkeypatch):
    """Work that is done when `go` is set; says how many are at work, and how many were at most."""
    seen = SimpleNamespace(go=anyio.Event(), now=0, most=0)

    async def working(request):
        seen.now += 1
        seen.most = max(seen.most, seen.now)
        await seen.go.wait()
        seen.now -= 1
        return json.dumps({"result": {}}).encode()

    monkeypatch.setattr(preloaded, "_ask_preloaded", working)
    monkeypatch.setattr(preloaded, "can_fork", lambda: True)
    return seen


@pytest.mark.anyio
async def test_only_so_many_pieces_are_at_work_at_once_and_all_get_their_turn(crowd, services):
    done = []

    async def asking():
        done.append(await preloaded.ask(services.workspace, "any", {}))

    async with anyio.create_task_group() as group:
        for _ in range(3 * preloaded.MOST_AT_ONCE):
            group.start_soon(asking)
        await anyio.wait_all_tasks_blocked()
        assert crowd.now == preloaded.MOST_AT_ONCE
        with pytest.raises(TrainwellError, match="wait for its turn") as caught:
            await preloaded.ask(services.workspace, "any", {}, seconds=0)
        crowd.go.set()

    assert caught.value.code == "work_takes_long"
    assert crowd.most == preloaded.MOST_AT_ONCE
    assert len(done) == 3 * preloaded.MOST_AT_ONCE
