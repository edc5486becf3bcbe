"""Subscriptions: a change that another process writes to the store reaches the client."""

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated

from tests.factories import add_run
from tests.protocol.conftest import RUN
from trainwell.store.store import Store

pytestmark = pytest.mark.anyio
ADDRESS = f"trainwell://runs/{RUN}/metrics"


@pytest.fixture
def elsewhere(stored):
    """The store as a worker has it: another connection."""
    other = Store.open(stored.workspace)
    yield other
    other.database.close()


async def test_an_open_stream_tells_of_epochs_ends_and_new_runs(server, elsewhere):
    with anyio.fail_after(20):
        async with (
            Client(server) as client,
            client.listen(
                resource_subscriptions=[ADDRESS, "trainwell://runs/latest"], resources_list_changed=True
            ) as sub,
        ):
            elsewhere.runs.update(RUN, epoch=3)
            told = {await anext(sub), await anext(sub)}
            elsewhere.runs.update(RUN, progress_at=1.0)  # nothing that a reader would see
            add_run(elsewhere, "run_other_000002")
            new = await anext(sub)
            elsewhere.runs.update(RUN, state="completed")
            ended = {await anext(sub), await anext(sub)}

    assert told == ended == {ResourceUpdated(ADDRESS), ResourceUpdated("trainwell://runs/latest")}
    assert new == ResourcesListChanged()


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_client_of_the_older_kind_is_notified_until_it_unsubscribes(server, elsewhere):
    send, heard = anyio.create_memory_object_stream(10)

    async def hear(message):
        await send.send(str(message.params.uri))

    with anyio.fail_after(20):
        async with Client(server, mode="legacy", message_handler=hear) as client:
            assert client.server_capabilities.resources.subscribe
            for address in (ADDRESS, f"trainwell://runs/{RUN}"):
                await client.subscribe_resource(address)
            await client.unsubscribe_resource(ADDRESS)
            elsewhere.runs.update(RUN, epoch=3)
            assert await heard.receive() == f"trainwell://runs/{RUN}"
            elsewhere.runs.delete(RUN)
            assert await heard.receive() == f"trainwell://runs/{RUN}"
            with pytest.raises(MCPError, match="There is no run"):
                await client.subscribe_resource("trainwell://runs/run_nothing")
    send.close()
    heard.close()


async def test_a_subscription_to_a_run_that_is_not_there_is_refused(server):
    async with Client(server) as client:
        with pytest.raises(MCPError, match="Did you mean 'run_toy_000001'"):
            async with client.listen(resource_subscriptions=["trainwell://runs/run_tay_000001"]):
                pass
