import pytest

from trainwell.runs import deaths


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A counter of kills as version 2 of cgroups keeps it, which tests may raise."""
    path = tmp_path / "memory.events"
    monkeypatch.setattr(deaths, "counters", lambda: [path])

    def kills(count):
        path.write_text(f"low 0\noom 3\noom_kill {count}\n")

    kills(2)
    return kills


def test_a_kill_for_memory_since_the_worker_began_is_recognised(tmp_path, kernel):
    deaths.record_counters(tmp_path / "run")
    assert deaths.cause_of_death(tmp_path / "run")[0] == "process_died"
    kernel(3)
    assert deaths.cause_of_death(tmp_path / "run")[0] == "host_out_of_memory"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["memory-kills.json"]


def test_without_a_record_nothing_is_claimed(tmp_path):
    assert deaths.cause_of_death(tmp_path) == deaths.UNKNOWN


def test_this_machine_has_counters_that_can_be_read_or_none():
    assert all(deaths.kills(path) is not None for path in deaths.counters())
