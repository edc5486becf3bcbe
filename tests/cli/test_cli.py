"""The command line: the same tools with the same answers, and exit codes that scripts can trust."""

import io
import json
import subprocess
import sys
import time

import pytest

from trainwell import cli
from trainwell.cli import main, parsed
from trainwell.runs.liveness import my_identity

PATIENCE_SECONDS = 120


@pytest.fixture
def trainwell(tmp_path, capsys):
    """Run a command in a workspace: exit code, standard output, standard error."""

    def run(*words, options=()):
        code = main(["--workspace", str(tmp_path), *options, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_call_prints_the_short_answer_and_ends_with_0(trainwell):
    code, out, err = trainwell("call", "list_runs")

    assert code == 0
    assert out.startswith("0 runs.")
    assert "\nNext: {" in out
    assert err == ""


def test_with_json_standard_output_is_the_structured_answer_alone(trainwell):
    code, out, _ = trainwell("call", "--json", "list_runs", '{"limit": 3}')

    assert code == 0
    assert json.loads(out)["runs"] == []


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("get_run", '{"run_id": "r"}', "unknown_argument"),
        ("get_run", '{"run": "run_nothing"}', "unknown_handle"),
        ("train", '{"model": "m", "train_loader": "d", "lr": NaN}', "not_finite"),
        ("get_run", "[]", "wrong_type"),
        ("get_rum", "{}", "unknown_tool"),
    ],
)
def test_a_refusal_ends_with_1_and_is_structured_too(trainwell, tool, arguments, code):
    ended, out, _ = trainwell("call", "--json", tool, arguments)
    plain_code, plain_out, plain_err = trainwell("call", tool, arguments)

    assert (ended, plain_code) == (1, 1)
    assert json.loads(out)["error"]["code"] == code
    assert plain_out == ""
    assert plain_err.startswith(f"{code}: ")


@pytest.mark.parametrize("text", ["{bad", '{"limit": 1, "limit": 2}', "[" * 100_000, "9" * 5000, "@no-such-file.json"])
def test_what_is_no_json_is_a_mistake_in_usage(trainwell, text):
    code, out, err = trainwell("call", "list_runs", text)

    assert (code, out) == (2, "")
    assert err.startswith("bad_json: ")
    assert len(err) < 400


def test_arguments_can_come_from_a_file_or_from_standard_input(trainwell, tmp_path, monkeypatch):
    (tmp_path / "arguments.json").write_text('{"limit": 2}', encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"limit": 2}'))

    assert trainwell("call", "list_runs", f"@{tmp_path / 'arguments.json'}")[0] == 0
    assert trainwell("call", "list_runs", "-")[0] == 0


def test_tools_are_listed_for_people_and_as_json(trainwell):
    _, for_people, _ = trainwell("tools")
    _, as_json, _ = trainwell("tools", "--json")

    listed = json.loads(as_json)
    assert all(f"{tool['name']}  " in for_people for tool in listed)
    assert {"name", "inputSchema", "outputSchema", "annotations"} <= set(listed[0])


def test_a_skill_of_somebody_else_changes_the_limits(trainwell, tmp_path):
    skill = tmp_path / "team.md"
    skill.write_text(
        "---\nparameters:\n  optional:\n    - {name: epochs, type: integer, validation: 'epochs <= 20'}\n---\n",
        encoding="utf-8",
    )
    _, out, _ = trainwell("tools", "--json", options=["--skill", str(skill)])
    code, refused, _ = trainwell(
        "call", "--json", "train", '{"model": "m", "train_loader": "d", "epochs": 21}', options=["--skill", str(skill)]
    )

    assert json.loads(out)[0]["inputSchema"]["properties"]["epochs"]["maximum"] == 20
    assert code == 1
    assert json.loads(refused)["error"]["allowed"] == "epochs <= 20"


def test_a_broken_manifest_ends_with_2_and_names_its_line(trainwell, tmp_path):
    skill = tmp_path / "team.md"
    skill.write_text("---\nparameters:\n  optional:\n    - {name: epochs}\n---\n", encoding="utf-8")
    code, _, err = trainwell("call", "list_runs", options=["--skill", str(skill)])

    assert code == 2
    assert f"{skill}:4: " in err


@pytest.mark.parametrize("words", [["dance"], ["call"], ["wait"], ["--workspace"]])
def test_wrong_usage_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "usage: trainwell" in capsys.readouterr().err


def test_a_person_who_says_no_command_is_told_and_a_client_is_served(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit) as ended:
        main([])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    assert ended.value.code == 2
    assert "a command is needed" in capsys.readouterr().err
    assert parsed(["--allow-hub"]).branch.__name__ == "_serve"


@pytest.fixture
def finished(call):
    """A run that has ended, on real data."""
    data = call("prepare_data", source="iris")["data"]
    model = call("build_model", data=data, options={"hidden_dims": [4]})["model"]
    run = call("train", model=model, train_loader=data, epochs=2)["run"]
    while call("get_run", run=run, wait_seconds=20)["state"] not in ("completed", "failed", "stopped"):
        pass
    return run


def test_the_exit_code_of_wait_says_how_the_run_ended(services, finished, trainwell):
    def waited(**columns):
        services.store.runs.update(finished, **columns)
        return trainwell("wait", finished)

    code, out, _ = trainwell("wait", "latest")
    assert code == 0
    assert out.startswith(f"{finished} completed")
    assert waited(state="failed", cause="out_of_memory")[0] == 3
    assert waited(state="stopped")[0] == 4
    assert waited(state="failed", cause="non_finite_loss")[0] == 5
    silent = {"heartbeat": time.monotonic() - 400, "started_at": 1.0, "ended_at": None, "owner": my_identity()}
    code, out, _ = waited(state="running", **silent)
    assert code == 6
    assert "running" in out
    assert trainwell("wait", "run_nothing")[0] == 1


def test_the_schema_files_are_up_to_date_and_a_change_is_seen(trainwell, tmp_path, monkeypatch):
    assert trainwell("schemas", "--check") == (0, "", "")

    monkeypatch.setattr("trainwell.tools.schema_files.resource", lambda *parts: tmp_path.joinpath("out", *parts))
    monkeypatch.setattr("trainwell.tools.schema_files._architectures", lambda: {"mlp": {"type": "object"}})
    code, _, err = trainwell("schemas", "--check")
    assert code == 1
    assert "out of date" in err
    assert len(trainwell("schemas")[1].splitlines()) > 13
    assert trainwell("schemas", "--check")[0] == 0
    stray = tmp_path / "out" / "schemas" / "tools" / "stray.json"
    stray.write_text("{}", encoding="utf-8")
    assert trainwell("schemas")[1] == f"{stray}\n"
    assert not stray.exists()


def loaded_by(*words, workspace):
    """The modules that a command loads, in a process of its own."""
    code = f"""
import sys
from trainwell import cli
from trainwell.cli import parsed, main
sys.exit(main({["--workspace", str(workspace), *words]!r}) or print(*sys.modules, file=sys.stderr))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [("call", "list_runs"), ("tools",)])
def test_call_and_tools_load_neither_mcp_nor_torch(tmp_path, words):
    assert loaded_by(*words, workspace=tmp_path).isdisjoint({"mcp", "mcp_types", "torch", "numpy", "polars"})


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["serve"], set()),
        (["serve", "--allow-code"], {"code"}),
        (["--allow-code", "serve"], {"code"}),
        (["--allow-code", "serve", "--allow-hub"], {"code", "hub"}),
        (["--allow-hub", "call", "list_runs"], {"hub"}),
    ],
)
def test_permissions_are_given_by_flags_before_or_behind_serve(words, allowed, tmp_path):
    options = cli._parser().parse_args(["--workspace", str(tmp_path), *words])
    services = cli._open(options)
    services.store.database.close()

    assert services.workspace.allow == allowed
