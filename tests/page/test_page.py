"""The page in a real Chromium, over a real training: at the server's address, in a chat client's frame, and as a file.

Needs Chromium, and `make browser` for the rest; without them these tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from tests.waiting import ended, until
from trainwell.reports.page import live_page
from trainwell.tools.dispatch import call_tool

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOST = Path(__file__).parent / "host"
ESBUILD = HOST / "node_modules" / ".bin" / "esbuild"
# Without these Chromium asks for its maker's hosts at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def elsewhere(work, *arguments):
    """Run async work in a thread: in this one the driver of the browser has a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, work, *arguments).result()


@pytest.fixture
def call(services):
    def calling(tool, **arguments):
        outcome = elsewhere(call_tool, services, tool, arguments)
        assert not outcome.is_error, outcome.text
        return outcome.structured

    return calling


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A narrow page; whatever goes wrong in its script fails the test."""
    opened = chromium.new_page(viewport={"width": 360, "height": 800})
    opened.set_default_timeout(60_000)
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    yield opened
    assert not wrong
    opened.close()


@pytest.fixture
def address(services):
    """The dashboard of this workspace, a process of its own as a person starts it."""
    command = [sys.executable, "-m", "trainwell", "--workspace", services.workspace.root, "dashboard", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        line = server.stderr.readline()
        assert "runs are shown at" in line, line
        yield line.split()[-1]
        server.terminate()


@pytest.fixture
def submit(services, call):
    """A run that goes on until somebody stops it, or for a few epochs: `submit("name", epochs=3)`."""

    def submitting(name, epochs=1000, **arguments):
        data = call("prepare_data", source="digits")["data"]
        model = call("build_model", data=data)["model"]
        given = {"model": model, "train_loader": data, "early_stopping": 0, "name": name, **arguments}
        return call("train", epochs=epochs, **given)["run"]

    return submitting


def picture(page, name):
    """Keep a screenshot when a folder for them is named; the README's are made so."""
    if folder := os.environ.get("TRAINWELL_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def epoch_shown(page):
    return int(page.get_by_text("epoch ", exact=False).first.inner_text().split()[1])


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_run_is_followed_and_stopped_in_the_page(services, address, page, submit):
    run = submit("long one")
    page.goto(address)
    page.get_by_role("link", name="long one").click()
    page.get_by_role("img", name="Loss: train_loss from").wait_for()
    first = epoch_shown(page)
    until(lambda: page.wait_for_timeout(200) or epoch_shown(page) > first, what="the next epoch")
    assert fits(page)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
    picture(page, "run-narrow-dark")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("■ stopped").wait_for()
    assert ended(services, run)["state"] == "stopped"
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("■ stopped").wait_for()


def test_runs_are_listed_and_compared_and_the_keyboard_reads_the_curves(services, address, page, submit):
    for name, rate in (("slow", 1e-4), ("fast", 1e-2)):
        ended(services, submit(name, epochs=6, lr=rate))
    page.goto(address)
    for run in ("slow", "fast"):
        page.get_by_role("row", name=run).get_by_role("checkbox").check()
    picture(page, "list-narrow")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="What differs").wait_for()
    assert "0.01" in page.get_by_role("row", name="lr").inner_text()
    assert fits(page)
    curve = page.get_by_role("img", name="val_accuracy: ")
    curve.focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_text("Epoch 5: ").inner_text().count("0.") == 2
    page.set_viewport_size({"width": 1100, "height": 800})
    picture(page, "comparison")


def test_a_report_tells_the_findings_and_has_nothing_to_press(services, call, page, submit):
    run = submit("does not learn", epochs=12, lr=1e-6)
    ended(services, run)
    path = services.workspace.root / call("export_run", run=run)["path"]
    page.goto(path.as_uri())
    page.get_by_role("heading", name="Environment").wait_for()
    assert call("get_run", run=run)["findings"][0]["code"] in page.inner_text("body")
    assert page.get_by_role("button").count() == 0
    page.set_viewport_size({"width": 1100, "height": 800})
    picture(page, "report")


@pytest.mark.skipif(not ESBUILD.exists(), reason="the host is not installed: make browser")
def test_in_a_chat_client_the_page_asks_through_the_official_bridge(services, page, submit, tmp_path):
    run = submit("in a frame")
    asked = []

    def ask(params):
        asked.append(params["name"])
        outcome = elsewhere(call_tool, services, params["name"], params.get("arguments", {}))
        content = [{"type": "text", "text": outcome.text}]
        return {"content": content, "structuredContent": outcome.structured, "isError": outcome.is_error}

    page.expose_function("mcp", ask)
    bundle = tmp_path / "host.js"
    subprocess.run([ESBUILD, HOST / "host.js", "--bundle", "--format=iife", f"--outfile={bundle}"], check=True)
    page.set_content("<!doctype html><body></body>")
    page.add_script_tag(path=bundle)
    answer = {"content": [], "structuredContent": {"run": run}}
    page.evaluate("([html, result]) => begin(html, window.mcp, result)", [live_page(), answer])
    inside = page.frame_locator("iframe")
    inside.get_by_role("img", name="Loss: train_loss from").wait_for()
    inside.get_by_role("button", name="Stop").click()
    inside.get_by_text("■ stopped").wait_for()
    assert ended(services, run)["state"] == "stopped"
    assert {"get_run", "stop_run"} <= set(asked)
    until(lambda: page.evaluate("sizes.length"), what="a word of the page's size")
    assert json.dumps(page.evaluate("sizes"))
