"""The demo is the main job through the real server, so these tests are its test from end to end."""

from __future__ import annotations

import io

import pytest

from trainwell import demo


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_demo_learns_a_data_set_and_says_what_came_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "JOBS", (demo.Job("iris", 0.7),))

    code = demo.main(tmp_path / "place")

    shown = capsys.readouterr().out
    assert code == 0
    assert "iris: test accuracy" in shown
    assert (tmp_path / "place" / "iris.safetensors").is_file()
    assert (tmp_path / "place" / "iris-predictions.csv").is_file()
    assert list((tmp_path / "place").rglob("curves.png"))
    assert "calls" in shown.splitlines()[-1]


def test_demo_fails_when_the_result_falls_short(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "JOBS", (demo.Job("iris", 1.01),))

    code = demo.main(tmp_path)

    assert code == 1
    assert "below 1.01" in capsys.readouterr().err


def test_demo_fails_when_a_call_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "JOBS", (demo.Job("no-such-file.csv", 0.0),))

    code = demo.main(tmp_path)

    assert code == 1
    assert "inspect_data was refused" in capsys.readouterr().err


@pytest.mark.parametrize(("shares", "lines"), [([0.1, 0.2], 0), ([0.1, 0.3, 0.4, 0.6, 1.0], 3), ([2.0], 1)])
def test_progress_tells_a_line_for_each_quarter_where_there_is_no_terminal(shares, lines):
    out = io.StringIO()
    bar = demo.ProgressBar(out)

    for share in shares:
        bar.show(share, "epoch 1")
    bar.close()

    assert len(out.getvalue().splitlines()) == lines


def test_progress_redraws_one_line_on_a_terminal():
    out = Terminal()
    bar = demo.ProgressBar(out)

    bar.show(0.0, "epoch 0")
    bar.show(0.5, "epoch 20")
    bar.close()

    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith(f"[{'#' * 15}{'.' * 15}]  50%  epoch 20\n")
