"""Runs survive what happens to processes: real processes, really killed."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import anyio
import psutil
import pytest

from tests.waiting import at_epoch, ended, until
from trainwell.runs.lifecycle import FINAL
from trainwell.runs.liveness import is_alive
from trainwell.runs.preloaded import socket_path
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services


def long_run(call, **arguments):
    """A run of many short epochs on real data: seconds long, so that there is time to do it harm."""
    data = call("prepare_data", source="digits")["data"]
    model = call("build_model", data=data, architecture="mlp", options={"hidden_dims": [64]})["model"]
    given = {"epochs": 1000, "early_stopping": 0, "batch_size": 16, **arguments}
    return call("train", model=model, train_loader=data, **given)["run"]


def test_a_killed_worker_is_noticed_and_its_run_goes_on_from_its_checkpoint(services, call):
    run = long_run(call, epochs=800, batch_size=64)
    at_epoch(services, run, 60)
    until(
        lambda: list((services.workspace.run_dir(run) / "checkpoints").glob("step-*/manifest.json")),
        what="a checkpoint",
    )
    victim = services.store.runs.get(run)["owner"]["pid"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: services.start_waiting() or services.store.runs.get(run)["attempt"] == 2, what="a second attempt")
    row = ended(services, run)
    assert (row["state"], row["epoch"]) == ("completed", 800)
    seen = call("get_run", run=run)
    assert [one["cause"] for one in seen["attempts"] if one.get("cause")] == ["process_died"]
    assert [record.epoch for record in services.store.history.epochs(run)] == list(range(1, 801))


def test_a_killed_server_loses_nothing_and_another_sees_and_stops_its_run(tmp_path):
    script = (
        "import anyio, sys, json\n"
        "from mcp import Client, StdioServerParameters\n"
        "async def main():\n"
        "    serve = ['-m', 'trainwell', '--workspace', sys.argv[1], 'serve']\n"
        "    server = StdioServerParameters(command=sys.executable, args=serve)\n"
        "    async with Client(server) as client:\n"
        "        async def call(tool, **arguments):\n"
        "            result = await client.call_tool(tool, arguments)\n"
        "            assert not result.is_error, result.content\n"
        "            return result.structured_content\n"
        "        data = (await call('prepare_data', source='digits'))['data']\n"
        "        model = (await call('build_model', data=data))['model']\n"
        "        run = (await call('train', model=model, train_loader=data, epochs=1000, early_stopping=0))['run']\n"
        "        print(run, flush=True)\n"
        "        await anyio.sleep(600)\n"
        "anyio.run(main)\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    run = agent.stdout.readline().strip()
    assert run.startswith("run_")
    for child in psutil.Process(agent.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()  # the server, without a word of warning
    agent.kill()
    agent.wait()
    agent.stdout.close()
    services = open_services(tmp_path)
    epoch = services.store.runs.get(run)["epoch"]
    at_epoch(services, run, epoch + 20)
    stopped = anyio.run(call_tool, services, "stop_run", {"run": run, "wait_seconds": 20}).structured
    assert stopped["state"] == "stopped"
    judged = anyio.run(call_tool, services, "evaluate", {"run": run})
    assert not judged.is_error
    assert judged.structured["metrics"]["accuracy"] > 0.5
    services.store.database.close()


def test_the_preloaded_process_may_die_and_nobody_notices(services, call):
    call("system_info")
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(socket_path()) in " ".join(process.info["cmdline"] or [])
    ]
    assert len(found) == 1
    run = long_run(call)
    at_epoch(services, run, 5)
    found[0].kill()
    found[0].wait()
    assert is_alive(services.store.runs.get(run)["owner"])
    assert call("system_info")["devices"]
    assert call("stop_run", run=run, wait_seconds=20)["state"] == "stopped"


def test_two_servers_on_one_workspace_start_each_run_once(services, call):
    other = open_services(services.workspace.root)
    data = call("prepare_data", source="breast_cancer")["data"]
    model = call("build_model", data=data)["model"]
    runs = [call("train", model=model, train_loader=data, epochs=3, seed=seed)["run"] for seed in range(4)]
    for run in runs:
        until(
            lambda run=run: (
                other.start_waiting() or services.start_waiting() or other.store.runs.get(run)["state"] in FINAL
            ),
            what=run,
        )
        assert ended(services, run)["state"] == "completed"
        assert len(services.store.history.attempts(run)) == 1
    other.store.database.close()


def test_as_many_runs_train_at_once_as_are_allowed_and_finishing_workers_move_the_queue_on(tmp_path):
    allowed = open_services(tmp_path, max_parallel=2)

    def call(tool, **arguments):
        outcome = anyio.run(call_tool, allowed, tool, arguments)
        assert not outcome.is_error, outcome.text
        return outcome.structured

    first, second = long_run(call), long_run(call)
    at_epoch(allowed, first, 2)
    at_epoch(allowed, second, 2)
    waits = [long_run(call, epochs=2), long_run(call, epochs=2, priority="high")]
    seen = call("get_run", run=waits[0])
    assert (seen["state"], seen["position"]) == ("queued", 2)
    assert call("get_run", run=first)["place"] == "cpu"
    call("system_info")  # the preloaded process is there: on a busy machine fresh ones would take long
    allowed.store.runs.update(first, stop_requested=1)
    # Nobody calls a tool any more: the worker that ends starts the others, and both take their turn in its place.
    until(lambda: all(allowed.store.runs.get(run)["state"] == "completed" for run in waits), what="both")
    served = {run: allowed.store.runs.get(run)["served"] for run in waits}
    assert served[waits[1]] < served[waits[0]]
    assert allowed.store.runs.get(second)["state"] == "running"
    assert call("stop_run", run=second, wait_seconds=20)["state"] == "stopped"
    allowed.store.database.close()


def test_a_run_is_stopped_while_it_waits_and_while_it_trains(services, call):
    first = long_run(call)
    second = long_run(call, seed=1)
    assert services.store.runs.get(second)["state"] == "queued"
    assert call("stop_run", run=second)["state"] == "stopped"
    at_epoch(services, first, 3)
    assert call("stop_run", run=first, wait_seconds=20)["state"] == "stopped"
    assert call("stop_run", run=first)["summary"].startswith("It had ended before.")
    assert call("evaluate", run=first)["rows"] > 0


def test_a_time_limit_ends_a_run_in_good_order(services, call):
    run = long_run(call, epochs=1000, max_minutes=0.03)
    row = ended(services, run)
    assert (row["state"], row["outcome"]) == ("completed", "time_limit")
    assert call("save_checkpoint", run=run)["epoch"] >= 1


def test_where_nothing_can_be_forked_fresh_processes_do_the_work(tmp_path):
    environment = {**os.environ, "TRAINWELL_PRELOAD": "0"}

    def shell(tool, **arguments):
        command = [
            sys.executable,
            "-m",
            "trainwell",
            "--workspace",
            str(tmp_path),
            "call",
            "--json",
            tool,
            json.dumps(arguments),
        ]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert finished.returncode == 0, finished.stderr + finished.stdout
        return json.loads(finished.stdout)

    data = shell("prepare_data", source="iris")["data"]
    model = shell("build_model", data=data)["model"]
    run = shell("train", model=model, train_loader=data, epochs=3)["run"]
    waited = subprocess.run(
        [sys.executable, "-m", "trainwell", "--workspace", str(tmp_path), "wait", run],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert waited.returncode == 0, waited.stderr + waited.stdout


@pytest.mark.parametrize(("lr", "clip"), [(1.0, 0)])
def test_a_loss_that_is_not_finite_is_never_silent_and_is_repaired(services, call, lr, clip):
    data = call("prepare_data", source="diabetes")["data"]
    model = call("build_model", data=data, layers=[{"type": "Linear", "out_features": 64}] * 12)["model"]
    run = call(
        "train",
        model=model,
        train_loader=data,
        epochs=20,
        lr=lr,
        grad_clip=clip,
        optimizer="sgd",
        scheduler="constant",
        warmup=0,
        precision="fp32",
    )["run"]
    row = ended(services, run)
    attempts = services.store.history.attempts(run)
    assert attempts[0].cause == "non_finite_loss"
    assert attempts[1].changes["lr"] < lr
    assert attempts[1].changes["grad_clip"] == 1.0
    seen = call("get_run", run=run)
    assert seen["attempts"][0]["cause"] == "non_finite_loss"
    assert row["state"] in FINAL
    if row["state"] == "completed":
        assert row["best_score"] == row["best_score"]
