"""The server with the suite's fixtures starts, so that `make conformance` has something to judge."""

import pytest
from mcp import Client

from tests.conformance import contents, jobs
from tests.conformance.asking import ONE_ROUND
from tests.conformance.serving import fixture_server


@pytest.mark.anyio
async def test_the_fixtures_stand_beside_the_products_own_tools(tmp_path):
    with fixture_server(tmp_path) as address:
        async with Client(address) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}

    assert {"train", "diagnose", *contents.CONTENTS, *ONE_ROUND, *jobs.WORK} <= listed
