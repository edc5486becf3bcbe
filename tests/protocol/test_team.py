"""A real server for a team: tokens, workspaces of their own, limits, an OAuth server beside it."""

import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.waiting import until

ANYWHERE = "0.0.0.0"  # noqa: S104


def trainwell(*words):
    return [sys.executable, "-m", "trainwell", *map(str, words)]


@pytest.fixture
def token(tmp_path):
    """A token as the command line makes it: `token("ada")`."""

    def making(name):
        done = run(tmp_path, "token", "make", name)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return making


def run(root, *words):
    return subprocess.run(trainwell("--workspace", root, *words), check=False, capture_output=True, text=True)


@contextmanager
def serving(root, *options):
    command = trainwell("--workspace", root, "serve", "--http", "--port", "0", *options)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stderr.readline()
            assert "trainwell listens at" in told, told + process.stderr.read()
            yield told.split()[-1]
        finally:
            process.terminate()
            _, rest = process.communicate(timeout=30)
        assert process.returncode == 0, rest
        assert "Traceback" not in rest


def ask(address, token, tool, **arguments):
    """One call of a real client with a token."""

    async def asking():
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return (await client.call_tool(tool, arguments)).structured_content

    for _ in range(4):  # on a busy machine an answer says: call again
        answer = anyio.run(asking)
        if answer.get("error", {}).get("code") != "work_takes_long":
            break
    return answer


def get(address, path, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.get(address.replace("/mcp", path), headers=headers, timeout=60)


def test_each_token_sees_its_own_workspace_and_a_revoked_one_nothing(tmp_path, token):
    ada, bob = token("ada"), token("bob")
    kept = (tmp_path / ".trainwell" / "tokens.json").read_text()
    assert ada not in kept
    assert (tmp_path / ".trainwell" / "tokens.json").stat().st_mode & 0o077 == 0
    with serving(tmp_path, "--most-runs", "1") as address:
        assert get(address, "/mcp").status_code == 401
        assert get(address, "/mcp", "tw_wrong").status_code == 401
        assert get(address, "/healthz").status_code == 200
        assert "<title>trainwell</title>" in get(address, "/").text
        data = ask(address, ada, "prepare_data", source="iris")["data"]
        model = ask(address, ada, "build_model", data=data)["model"]
        started = ask(address, ada, "train", model=model, train_loader=data, epochs=1000, early_stopping=0)["run"]
        refused = ask(address, ada, "train", model=model, train_loader=data)
        assert refused["error"]["code"] == "too_many_runs"
        assert (tmp_path / "ada" / ".trainwell" / "runs" / started).is_dir()
        assert ask(address, bob, "list_runs")["runs"] == []
        assert ask(address, bob, "get_run", run=started)["error"]["code"] == "unknown_handle"
        leak = ask(address, bob, "inspect_data", source="../ada/.trainwell/store.sqlite")
        assert leak["error"]["code"] == "path_outside_workspace"
        until(
            lambda: 'trainwell_runs{state="running"} 1' in get(address, "/metrics", ada).text, what="the run's figure"
        )
        assert 'trainwell_runs{state="running"} 0' in get(address, "/metrics", bob).text
        assert get(address, "/metrics").status_code == 401
        assert ask(address, ada, "stop_run", run=started, wait_seconds=20)["state"] == "stopped"
        assert run(tmp_path, "token", "revoke", "ada").returncode == 0
        assert get(address, "/mcp", ada).status_code == 401
        assert ask(address, bob, "list_runs")["runs"] == []


def test_too_many_requests_of_one_token_do_not_slow_another(tmp_path, token):
    ada, bob = token("ada"), token("bob")
    with serving(tmp_path, "--rate", "1") as address:
        answers = [get(address, "/mcp", ada).status_code for _ in range(12)]
        assert answers.count(429) >= 5
        assert get(address, "/mcp", bob).status_code != 429


def test_beyond_this_machine_it_listens_only_with_a_token_and_to_known_names(tmp_path, token):
    refused = run(tmp_path, "serve", "--http", "--port", "0", "--host", ANYWHERE)
    assert refused.returncode == 1
    assert "host_not_allowed" in refused.stderr
    assert "trainwell token make" in refused.stderr
    ada = token("ada")
    with serving(tmp_path, "--host", ANYWHERE, "--allow-host", "train.example.org") as told:
        port = re.search(r":(\d+)/", told)[1]
        address = f"http://127.0.0.1:{port}/mcp"
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        headers = {"Authorization": f"Bearer {ada}", "accept": "application/json, text/event-stream"}
        for host, status in (("train.example.org", 421), ("evil.example.org", 421), (f"127.0.0.1:{port}", 421)):
            answer = httpx2.post(address, json=body, headers={**headers, "host": host})
            assert (answer.status_code == status) == (host == "evil.example.org"), (host, answer.text)
        crossed = httpx2.post(address, json=body, headers={**headers, "origin": "https://evil.example.org"})
        assert crossed.status_code == 403


def test_token_names_are_checked(tmp_path, token):
    token("ada")
    for words, code in (
        (("make", "ada"), "token_exists"),
        (("make", "../x"), "bad_token_name"),
        (("make", "eve", "--folder", "../.."), "path_outside_workspace"),
        (("revoke", "adda"), "unknown_token"),
        (("revoke",), "missing_name"),
    ):
        done = run(tmp_path, "token", *words)
        assert done.returncode == 1
        assert code in done.stderr
    listed = run(tmp_path, "token", "list")
    assert listed.stdout.startswith("ada  folder ada  made ")


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def issuer(key):
    """An OAuth server as far as a resource sees it: its metadata and its keys."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "one", "alg": "RS256"}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            here = f"http://127.0.0.1:{self.server.server_port}"
            known = {
                "/.well-known/oauth-authorization-server": {"issuer": here, "jwks_uri": f"{here}/keys"},
                "/keys": {"keys": [public]},
            }
            self.send_response(200 if self.path in known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(known.get(self.path)).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_access_tokens_of_an_oauth_server_are_taken_when_they_are_good(tmp_path, issuer, key):
    audience = "https://train.example.org/mcp"

    def signed(**changed):
        claims = {"iss": issuer, "aud": audience, "sub": "Ada Lovelace", "exp": time.time() + 600, **changed}
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "one"})

    with serving(tmp_path, "--oauth-issuer", issuer, "--oauth-audience", audience) as address:
        stranger = get(address, "/mcp")
        assert stranger.status_code == 401
        assert (
            "https://train.example.org/.well-known/oauth-protected-resource/mcp" in stranger.headers["www-authenticate"]
        )
        told = get(address, "/.well-known/oauth-protected-resource/mcp").json()
        assert told["resource"] == audience
        assert told["authorization_servers"] == [issuer]
        assert ask(address, signed(), "list_runs")["runs"] == []
        assert [path.name for path in tmp_path.glob("ada-lovelace-*")]
        for wrong in (
            {"aud": "https://other.example.org"},
            {"iss": "https://evil.example.org"},
            {"exp": time.time() - 600},
        ):
            assert get(address, "/mcp", signed(**wrong)).status_code == 401
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        claims = {"iss": issuer, "aud": audience, "sub": "x", "exp": time.time() + 600}
        forged = jwt.encode(claims, other, algorithm="RS256", headers={"kid": "one"})
        unsigned = jwt.encode(claims, None, algorithm="none")
        assert [get(address, "/mcp", text).status_code for text in (forged, unsigned)] == [401, 401]
