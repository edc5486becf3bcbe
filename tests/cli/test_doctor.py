"""The doctor finds what is broken, says how to mend it, and breaks nothing."""

import pytest

from trainwell.cli import main
from trainwell.doctor import examine


def test_a_sound_installation_is_called_sound(tmp_path, capsys):
    code = main(["--workspace", str(tmp_path), "doctor"])
    out = capsys.readouterr().out

    assert code == 0, out
    assert out.endswith("Nothing is broken.\n")
    for name in (
        "python",
        "trainwell",
        "torch",
        "processor",
        "memory",
        "disk",
        "manifest",
        "workspace",
        "store",
        "workers",
    ):
        assert f"  {name}: " in out
    assert not list((tmp_path / ".trainwell").glob("doctor-*"))


def test_the_doctor_mends_only_when_asked_to(tmp_path, capsys):
    def lines(*words):
        assert main(["--workspace", str(tmp_path), "doctor", *words]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if "  repair: " in line]

    left = tmp_path / ".trainwell" / "runs" / ".tmp-999999999-run_x"
    left.mkdir(parents=True)
    assert len(lines()) == 1
    assert left.exists()
    assert lines("--repair")[0].startswith("ok    repair: ")
    assert not left.exists()
    assert lines() == []


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The checks of an installation that is broken in most places, by name."""
    monkeypatch.setattr("trainwell.doctor.sys.executable", "/bin/false")
    monkeypatch.setenv("TRAINWELL_PRELOAD", "0")
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    (tmp_path / "SKILL.md").write_text("no frontmatter", encoding="utf-8")
    checks = list(examine(tmp_path / "file", tmp_path / "SKILL.md", (tmp_path / "nowhere",)))
    return {check.name: check for check in checks}


def test_each_thing_that_is_broken_is_told_with_its_remedy(broken):
    failed = {name for name, check in broken.items() if check.state == "FAIL"}

    assert failed == {"torch", "manifest", "workspace", "store", "workers", "allow-read"}
    assert all(broken[name].fix for name in failed)
    assert ":1: " in broken["manifest"].told
    assert broken["torch"].line.startswith("FAIL  torch: ")
    assert "\n      fix: " in broken["torch"].line
