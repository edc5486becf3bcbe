"""One preloaded process serves the whole test session, in a runtime folder of its own."""

import os
import tempfile
from pathlib import Path

_RUNTIME = tempfile.mkdtemp(prefix="tw-")  # short: socket paths have an end
os.environ["TRAINWELL_RUNTIME_DIR"] = _RUNTIME
os.environ["TRAINWELL_WARM_SECONDS"] = "20"
os.environ.pop("TRAINWELL_WORKSPACE", None)

import anyio  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from trainwell.runs import preloaded  # noqa: E402
from trainwell.tools.dispatch import call_tool  # noqa: E402
from trainwell.tools.services import open_services  # noqa: E402

# The same examples each time, and no verdict by the clock: a busy machine is not a fault.
settings.register_profile("trainwell", deadline=None, derandomize=True)
settings.load_profile("trainwell")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def services(tmp_path):
    opened = open_services(tmp_path)
    yield opened
    opened.store.database.close()


@pytest.fixture(scope="package")
def injected_workers():
    """Workers load tests/faults/inject and meet what faults.json of their workspace says."""
    inject = Path(__file__).parent / "faults" / "inject"
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "TRAINWELL_TEST_FAULTS")}
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(inject), before["PYTHONPATH"]]))
    os.environ["TRAINWELL_TEST_FAULTS"] = "1"
    preloaded.socket_path.cache_clear()
    yield
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value
    preloaded.socket_path.cache_clear()


@pytest.fixture
def call(services):
    """Call a tool as every client does, and expect it to succeed: `call("train", model=...)["run"]`."""

    def calling(tool, **arguments):
        outcome = anyio.run(call_tool, services, tool, arguments)
        assert not outcome.is_error, outcome.text
        return outcome.structured

    return calling


@pytest.fixture
def refuse(services):
    """Call a tool and expect a refusal; gives the error: `refuse("train", lr=-1)["code"]`."""

    def calling(tool, **arguments):
        outcome = anyio.run(call_tool, services, tool, arguments)
        assert outcome.is_error, outcome.text
        return outcome.structured["error"]

    return calling
