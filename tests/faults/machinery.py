"""What the cases share: a workspace whose workers can be harmed, servers as clients see them, and looks at the end."""

import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import psutil

from tests.waiting import ended, until
from trainwell.runs.lifecycle import FINAL
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services

LONG = os.environ.get("TRAINWELL_FAULTS") == "long"


def times(short, long):
    """How often a case is done: in the CI form, and in the long one."""
    return long if LONG else short


@dataclass
class Place:
    """A workspace, seen from a process of its own; the workers are real ones."""

    root: Path
    skill: Path | None = None
    services: object = field(init=False)

    def __post_init__(self):
        self.services = open_services(self.root, self.skill)

    def close(self):
        self.services.store.database.close()

    @property
    def runs(self):
        return self.services.store.runs

    def call(self, tool, **arguments):
        for _ in range(4):  # on a busy machine an answer says: call again
            outcome = anyio.run(call_tool, self.services, tool, arguments)
            if not outcome.is_error or outcome.structured["error"]["code"] != "work_takes_long":
                break
        assert not outcome.is_error, outcome.text
        return outcome.structured

    def refuse(self, tool, **arguments):
        outcome = anyio.run(call_tool, self.services, tool, arguments)
        assert outcome.is_error, outcome.text
        return outcome.structured["error"]

    def faults(self, *faults):
        """What the workers of this workspace will meet."""
        (self.root / "faults.json").write_text(json.dumps(faults))

    def prepare(self):
        """Data and a network with dropout and batch norm: more state to lose than weights."""
        made = self.root / "made.json"
        if made.exists():
            return json.loads(made.read_text())
        data = self.call("prepare_data", source="digits")["data"]
        options = {"hidden_dims": [32], "dropout": 0.1, "batch_norm": True}
        made.write_text(
            json.dumps({"train_loader": data, "model": self.call("build_model", data=data, options=options)["model"]})
        )
        return self.prepare()

    def train(self, made=None, **arguments):
        """Submit the run that most cases harm: deterministic, so that its end is known to the bit."""
        given = {"epochs": 12, "early_stopping": 0, "batch_size": 64, "seed": 7, "deterministic": True}
        return self.call("train", **(made or self.prepare()), **{**given, **arguments})["run"]

    def ended(self, run):
        return ended(self.services, run)

    def attempts(self, run):
        return self.services.store.history.attempts(run)

    def checkpoints(self, run, pattern="step-????????"):
        return sorted((self.services.workspace.run_dir(run) / "checkpoints").glob(pattern))

    def log(self, run):
        return (self.services.workspace.run_dir(run) / "log.txt").read_text(errors="replace")

    def worker(self, run):
        """The pid of the worker that carries a run, as soon as one does."""
        return until(
            lambda: (self.services.start_waiting() and False) or (self.runs.get(run)["owner"] or {}).get("pid"),
            what=f"a worker of {run}",
        )

    def hashes(self, run):
        """The bits of a run's end: weights, optimizer and random state, best weights."""
        found = {}
        for kind in ("step", "best"):
            folder = self.checkpoints(run, f"{kind}-????????")[-1]
            for file in sorted(folder.glob("*.safetensors")):
                found[f"{folder.name}/{file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def sound(self, run=None, *, epochs=True):
        """What holds after every fault: no process left, no temporary file, no damage, no lost work."""
        until(lambda: not strays(self.root), what=f"the end of {strays(self.root)}")
        assert not list(self.services.workspace.state.rglob(".tmp-*"))
        assert self.services.store.database.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        if run is not None and epochs:
            recorded = [one.epoch for one in self.services.store.history.epochs(run)]
            assert recorded == list(range(1, self.runs.get(run)["epoch"] + 1))


def strays(root):
    """Processes other than this one that hold a file of a workspace open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            if any(str(handle.readlink()).startswith(f"{root}/") for handle in (folder / "fd").iterdir()):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def kill(pid, number=signal.SIGKILL):
    """Signal a process that may be gone already, and after SIGKILL see it gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    if number == signal.SIGKILL:
        until(lambda: gone(pid), what=f"the death of {pid}")


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Server:
    """A real server over stdio, spoken to in lines, so that it can be killed, left and fed with rubbish."""

    def __init__(self, root, *, arguments=(), **popen):
        command = [sys.executable, "-m", "trainwell", "--workspace", str(root), *arguments, "serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **popen
        )
        self._lock = threading.Lock()
        self._waiting, self._last = {}, 0
        self.unasked = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        self.request("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            waiting = self._waiting.pop(message.get("id"), None)
            (waiting or self.unasked).put(message)
        for waiting in list(self._waiting.values()):
            waiting.put(None)

    def send(self, message):
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        with self._lock:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()

    def begin(self, method, params):
        """Send a request; what is returned gets the answer, or None when the server is gone."""
        with self._lock:
            self._last += 1
            number = self._last
            answer = self._waiting[number] = queue.Queue()
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return answer

    def request(self, method, params):
        return self.begin(method, params).get(timeout=90)

    def call(self, tool, **arguments):
        answer = self.request("tools/call", {"name": tool, "arguments": arguments})
        assert answer is not None, "the server is gone"
        result = answer["result"]
        assert not result.get("isError"), result["content"]
        return result["structuredContent"]

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self):
        """As a client leaves: by closing the pipe."""
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


def all_ended(place, runs):
    def look():
        place.services.start_waiting()
        return all(place.runs.get(run)["state"] in FINAL for run in runs)

    return until(look, what="the end of all runs")
