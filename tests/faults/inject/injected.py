"""The faults themselves, as they happen inside a worker or a server. Stands on the path beside sitecustomize.

A worker reads WORKSPACE/faults.json when it begins: a list of {"fault": NAME, "attempts": [1], ...}; without
"attempts" the fault comes in every attempt. A server takes the fault that TW_SERVER_FAULT names.
"""

import errno
import functools
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path


def patch_worker(module):
    """A training worker takes up its faults before it does anything else."""
    original = module.main

    @functools.wraps(original)
    def main(request):
        plan = Path(request["workspace"], "faults.json")
        if plan.exists():
            for fault in json.loads(plan.read_text()):
                if request["arguments"]["attempt"] in fault.get("attempts", range(1000)):
                    FAULTS[fault["fault"]](fault, Path(request["workspace"]))
        return original(request)

    module.main = main


def patch_server(module):
    """Kill this process on one side or the other of the start of a worker."""
    moment = os.environ.get("TW_SERVER_FAULT")
    if moment is None:
        return
    original = module.launch_training

    def launch_training(*arguments):
        if moment == "after_launch":
            original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    module.launch_training = launch_training


def save_often(fault, workspace):
    """A checkpoint after each epoch, not every two seconds; with "wait", the next epoch begins when it is written."""
    from trainwell.training import saving

    saving.SHORTEST_INTERVAL, saving.COST_SHARE = 0.0, 1e9
    if fault.get("wait"):
        write = saving.Saver.write

        def waiting(self, *arguments):
            write(self, *arguments)
            self.wait()

        saving.Saver.write = waiting


def at_io(fault, workspace):
    """The n-th call on a file of the checkpoints fails with an errno, or is the process's last.

    Calls are counted before they happen: open for writing, mkdir, rename, and fsync. "tear" ends the process in the
    middle of the n-th write: the kernel delivers SIGXFSZ when the file has reached `bytes`.
    """
    if fault["do"] == "tear":  # here, for only the main thread may say so
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    seen = 0
    record = workspace / "io-calls.txt"

    def happens(what, path):
        nonlocal seen
        if "/checkpoints" not in path:
            return
        seen += 1
        if seen == fault["n"]:
            with open(record, "a") as file:  # noqa: PTH123
                file.write(f"{fault['n']} {fault['do']} {what} {path.rsplit('/checkpoints', 1)[1]}\n")
            strike(fault)

    def audit(event, arguments):
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            happens("open", arguments[0])
        elif event in {"os.mkdir", "os.rename"}:
            happens(event, os.fspath(arguments[0]))

    fsync = os.fsync

    def counted(handle):
        happens("fsync", os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115
        fsync(handle)

    os.fsync = counted
    sys.addaudithook(audit)


def strike(fault):
    """Do what the fault says, here and now."""
    if fault["do"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault["do"] == "tear":
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["bytes"], fault["bytes"]))
    else:
        number = getattr(errno, fault["do"])
        raise OSError(number, os.strerror(number))


def each_step(act):
    """Call `act(step, inputs)` before each forward pass of training; what it returns replaces the inputs."""
    import torch

    state = {"root": None, "step": 0}

    def hook(module, inputs):
        if not torch.is_grad_enabled() or not module.training:  # validation, or a look before the first step
            return None
        state["root"] = state["root"] or module
        if module is not state["root"]:
            return None
        state["step"] += 1
        return act(state["step"], inputs)

    torch.nn.modules.module.register_module_forward_pre_hook(hook)


def locked(fault, workspace):
    """Native code that never ends and never lets go of the interpreter."""
    import ctypes

    each_step(lambda step, inputs: ctypes.PyDLL(None).sleep(3600) if step == fault["step"] else None)


def hang(fault, workspace):
    """A step, or the taking of a batch, that never ends."""
    if fault.get("where") == "loader":
        from trainwell.training.preparing import Loop

        batches = Loop.made_batches

        def hanging(*arguments):
            for number, batch in enumerate(batches(*arguments)):
                if number == fault["step"]:
                    time.sleep(3600)
                yield batch

        Loop.made_batches = hanging
        return
    each_step(lambda step, inputs: time.sleep(3600) if step == fault["step"] else None)


def poison(fault, workspace):
    """The inputs of one step are NaN, as those of a broken row would be."""
    each_step(lambda step, inputs: tuple(one * float("nan") for one in inputs) if step == fault["step"] else None)


def out_of_memory(fault, workspace):
    """The device has room for so many rows at once and no more."""
    import torch

    def act(step, inputs):
        if step >= fault.get("step", 1) and len(inputs[0]) > fault["rows"]:
            raise torch.OutOfMemoryError("CUDA out of memory. (injected)")

    each_step(act)


def die(fault, workspace):
    """SIGKILL at a step."""
    each_step(lambda step, inputs: os.kill(os.getpid(), signal.SIGKILL) if step == fault["step"] else None)


def die_when_saved(fault, workspace):
    """SIGKILL when a second checkpoint is to be written: an epoch after the first."""
    from trainwell.training import saving

    write = saving.Saver.write

    def dying(self, *arguments):
        if any(workspace.glob(".trainwell/runs/*/checkpoints/step-*/manifest.json")):
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, *arguments)

    saving.Saver.write = dying


def clock(fault, workspace):
    """The wall clock is elsewhere, from the start or from a step on."""
    true = time.time
    if "step" not in fault:
        time.time = lambda: true() + fault["seconds"]
        return

    def act(step, inputs):
        if step == fault["step"]:
            time.time = lambda: true() + fault["seconds"]

    each_step(act)


def memory(fault, workspace):
    """Less address space than the run needs, from a step on: the allocator really fails."""

    def act(step, inputs):
        if step == fault["step"] and len(inputs[0]) > fault["rows"]:
            with open("/proc/self/status") as file:  # noqa: PTH123
                now = next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (now + fault["bytes"], hard))

    each_step(act)


def fill(fault, workspace):
    """Something else fills the disk while an epoch runs; so many bytes are left."""

    def act(step, inputs):
        filling = workspace / "filling"
        if step == 20 * fault["epoch"] and not filling.exists():
            room = os.statvfs(workspace)
            with open(filling, "wb") as file:  # noqa: PTH123
                file.write(bytes(max(0, room.f_bavail * room.f_frsize - fault["leave"])))

    each_step(act)


FAULTS = {
    one.__name__: one
    for one in (save_often, at_io, locked, hang, poison, out_of_memory, die, die_when_saved, clock, memory, fill)
}
