import os
import socket
import stat

import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.store.workspace import PERMISSIONS, Workspace, workspace_at_work


@pytest.fixture
def workspace(tmp_path):
    root = tmp_path / "data"
    (root / "inside").mkdir(parents=True)
    (root / "inside" / "a.csv").write_text("x\n1\n")
    (tmp_path / "data-evil").mkdir()
    (tmp_path / "data-evil" / "b.csv").write_text("secret")
    return Workspace.open(root)


def refused(workspace, text, code, *, write=False):
    with pytest.raises(TrainwellError) as caught:
        (workspace.resolve_write if write else workspace.resolve_read)(text)
    assert caught.value.code == code
    assert caught.value.argument
    assert str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("../data-evil/b.csv", "path_outside_workspace"),
        ("/etc/passwd", "path_outside_workspace"),
        ("/proc/self/environ", "path_outside_workspace"),
        ("inside/../../data-evil/b.csv", "path_outside_workspace"),
        ("%2e%2e%2fb.csv", "file_not_found"),
        ("inside", "not_a_file"),
        ("nothing.csv", "file_not_found"),
        ("", "bad_path"),
        ("a.csv\0.png", "bad_path"),
        ("a\nb", "bad_path"),
        ("~/.ssh/id_rsa", "bad_path"),
        ("http://169.254.169.254/", "bad_path"),
        ("x" * 5000, "bad_path"),
        ("x" * 300, "bad_path"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_by_name(workspace, text, code):
    refused(workspace, text, code)


def test_a_symbolic_link_out_of_the_workspace_is_refused(workspace, tmp_path):
    (workspace.root / "link.csv").symlink_to(tmp_path / "data-evil" / "b.csv")
    (workspace.root / "folder").symlink_to(tmp_path / "data-evil")
    (workspace.root / "loop").symlink_to(workspace.root / "loop")
    refused(workspace, "link.csv", "path_outside_workspace")
    refused(workspace, "folder/b.csv", "path_outside_workspace")
    refused(workspace, "folder/new.csv", "path_outside_workspace", write=True)
    refused(workspace, "loop", "bad_path")


def test_pipes_and_sockets_are_not_read(workspace):
    os.mkfifo(workspace.root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace.root / "s"))
        refused(workspace, "pipe", "not_a_file")
        refused(workspace, "s", "not_a_file")


def test_a_folder_that_was_allowed_may_be_read_but_not_written(workspace, tmp_path):
    wide = Workspace.open(workspace.root, (tmp_path / "data-evil",))
    assert wide.resolve_read(str(tmp_path / "data-evil" / "b.csv")).read_text() == "secret"
    refused(wide, str(tmp_path / "data-evil" / "new.csv"), "path_outside_workspace", write=True)


def test_a_missing_file_is_answered_with_the_nearest_one(workspace):
    with pytest.raises(TrainwellError) as caught:
        workspace.resolve_read("inside/b.csv")
    assert "inside/a.csv" in caught.value.hint


def test_nothing_is_overwritten_unasked_and_the_state_folder_is_ours(workspace):
    refused(workspace, "inside/a.csv", "file_exists", write=True)
    refused(workspace, ".trainwell/store.sqlite", "path_reserved", write=True)
    refused(workspace, "inside", "not_a_file", write=True)
    assert workspace.resolve_write("inside/a.csv", overwrite=True).name == "a.csv"
    assert workspace.resolve_write("new/deep/x.csv").parent.is_dir()


def test_a_workspace_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainwellError) as caught:
        Workspace.open(tmp_path / "file")
    assert caught.value.code == "workspace_not_writable"


def test_the_root_is_found_by_argument_environment_or_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINWELL_WORKSPACE", raising=False)
    assert Workspace.open().root == tmp_path
    monkeypatch.setenv("TRAINWELL_WORKSPACE", str(tmp_path / "named"))
    assert Workspace.open().root == tmp_path / "named"
    assert Workspace.open(tmp_path / "given").root == tmp_path / "given"
    assert stat.S_ISDIR((tmp_path / "given" / ".trainwell" / "runs").stat().st_mode)


@pytest.mark.parametrize("handle", ["run_../../x", "x", "", "run_a/b", "run_..", "/etc"])
def test_only_a_handle_becomes_a_folder(workspace, handle):
    with pytest.raises(TrainwellError) as caught:
        workspace.run_dir(handle)
    assert caught.value.code == "unknown_handle"


def test_nothing_is_permitted_unless_it_was_allowed_at_the_start(tmp_path):
    plain, bold = Workspace.open(tmp_path), Workspace.open(tmp_path, allow=["code"])
    assert not any(map(plain.allows, PERMISSIONS))
    assert (bold.allows("code"), bold.allows("hub")) == (True, False)
    bold.require("code")
    with pytest.raises(TrainwellError) as caught:
        bold.require("hub", "pretrained", "somebody/network")
    assert (caught.value.code, caught.value.argument) == ("not_allowed", "pretrained")
    assert "serve --allow-hub" in caught.value.hint


def test_a_request_carries_the_permissions_and_nothing_that_it_makes_up(tmp_path):
    bold = Workspace.open(tmp_path, (tmp_path,), ["code"])
    assert Workspace.of_request(bold.to_request()) == bold
    assert Workspace.of_request({**bold.to_request(), "allow": ["everything"]}).allow == frozenset()


def test_the_workspace_at_work_allows_nothing_outside_of_a_request(tmp_path):
    bold = Workspace.open(tmp_path, allow=["code"])
    with bold.at_work():
        assert workspace_at_work() is bold
    assert not any(map(workspace_at_work().allows, PERMISSIONS))


def test_the_number_of_runs_at_once_is_told_checked_and_handed_on(tmp_path, monkeypatch):
    assert Workspace.open(tmp_path).max_parallel is None
    monkeypatch.setenv("TRAINWELL_MAX_PARALLEL", "3")
    assert Workspace.open(tmp_path).max_parallel == 3
    told = Workspace.open(tmp_path, max_parallel=2)
    assert told.max_parallel == 2
    assert Workspace.of_request(told.to_request()) == told
    for wrong in (0, -1, 1000):
        with pytest.raises(TrainwellError) as refused:
            Workspace.open(tmp_path, max_parallel=wrong)
        assert refused.value.code == "bad_max_parallel"
