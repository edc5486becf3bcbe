"""Waiting for what real processes do, with a limit."""

import time

from trainwell.runs.lifecycle import FINAL

PATIENCE_SECONDS = 90


def until(condition, *, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def at_epoch(services, run, epoch):
    return until(lambda: services.store.runs.get(run)["epoch"] >= epoch, what=f"epoch {epoch}")


def ended(services, run):
    def over():
        services.start_waiting()
        return services.store.runs.get(run)["state"] in FINAL

    until(over, what="the end")
    return services.store.runs.get(run)
