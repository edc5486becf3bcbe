"""The workspace: where state lies, and the only place where a path from outside becomes a path."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

STATE_FOLDER = ".trainwell"
LONGEST_PATH = 4096
MOST_PARALLEL = 64
MOST_ENTRIES = 1000  # of a folder that are looked at for data
DATA_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".npy", ".npz", ".gz")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
# What only the person who starts trainwell can allow, by the word of its flag: --allow-code, --allow-hub.
Permission = Literal["code", "hub"]
PERMISSIONS: dict[Permission, str] = {
    "code": "Running a person's own Python code",
    "hub": "Downloading from the Hugging Face hub",
}
_HANDLE = re.compile(r"^[a-z]+_[A-Za-z0-9._-]{1,80}$")


def find_root(given: Path | None) -> Path:
    """The workspace folder: as given, else TRAINWELL_WORKSPACE, else here if writable, else `~/trainwell`."""
    if given is not None:
        return given
    if named := os.environ.get("TRAINWELL_WORKSPACE"):
        return Path(named)
    here = Path.cwd()
    if here != Path(here.anchor) and os.access(here, os.W_OK):
        return here
    return Path.home() / "trainwell"


@dataclass(frozen=True)
class Workspace:
    """A folder that may be read and written, further folders that may be read, and what else is permitted."""

    root: Path
    allow_read: tuple[Path, ...] = ()
    allow: frozenset[Permission] = frozenset()
    max_parallel: int | None = None  # runs at once; None is one for each device
    disk_quota: float | None = None  # GB of state beyond which no new run is taken
    most_runs: int | None = None  # waiting and running at once, beyond which no new run is taken

    @classmethod
    def open(
        cls,
        root: Path | None = None,
        allow_read: tuple[Path, ...] = (),
        allow: Iterable[Permission] = (),
        max_parallel: int | None = None,
        disk_quota: float | None = None,
    ) -> Workspace:
        """Make the state folders where they are missing.

        Raises:
            TrainwellError: `workspace_not_writable`, `bad_max_parallel`.
        """
        folder = find_root(root).expanduser().absolute()
        try:
            for part in ("runs", "data", "logs"):
                (folder / STATE_FOLDER / part).mkdir(parents=True, exist_ok=True)
            ignore = folder / STATE_FOLDER / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise TrainwellError(
                "workspace_not_writable",
                f"The workspace {quoted(str(folder))} cannot be written: {error.strerror}.",
                argument="--workspace",
                hint="Name a folder that you may write to: `trainwell --workspace DIR serve`.",
            ) from error
        readable = tuple(path.expanduser().resolve() for path in allow_read)
        return cls(folder.resolve(), readable, frozenset(allow), _parallel(max_parallel), disk_quota)

    @classmethod
    def of_request(cls, request: Mapping[str, Any]) -> Workspace:
        """The workspace of a request to a worker, with the permissions of whoever asks."""
        allowed: list[Permission] = [permission for permission in PERMISSIONS if permission in request["allow"]]
        folders = tuple(map(Path, request["allow_read"]))
        return cls.open(
            Path(request["workspace"]), folders, allowed, request.get("max_parallel"), request.get("disk_quota")
        )

    def to_request(self) -> dict[str, Any]:
        """What a worker must be told of it, as JSON; `of_request` reads it."""
        folders = [str(path) for path in self.allow_read]
        return {
            "workspace": str(self.root),
            "allow_read": folders,
            "allow": sorted(self.allow),
            "max_parallel": self.max_parallel,
            "disk_quota": self.disk_quota,
        }

    def allows(self, permission: Permission) -> bool:
        """Whether the person who started this process has allowed it."""
        return permission in self.allow

    def require(self, permission: Permission, argument: str | None = None, got: str | None = None) -> None:
        """Refuse what has not been allowed.

        Raises:
            TrainwellError: `not_allowed`.
        """
        if self.allows(permission):
            return
        raise TrainwellError(
            "not_allowed",
            f"{PERMISSIONS[permission]} is off: only the person who starts trainwell can allow it.",
            argument=argument,
            got=got,
            hint=f"Ask for a server started as `trainwell serve --allow-{permission}`; on the command line it is "
            f"`trainwell --allow-{permission} call ...`.",
        )

    @contextmanager
    def at_work(self) -> Generator[None]:
        """While this lasts, `workspace_at_work` gives this workspace."""
        token = _at_work.set(self)
        try:
            yield
        finally:
            _at_work.reset(token)

    @property
    def state(self) -> Path:
        """Where everything that trainwell remembers lies."""
        return self.root / STATE_FOLDER

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state / "store.sqlite"

    def data_dir(self, handle: str) -> Path:
        """The folder of prepared data."""
        return self.state / "data" / _as_folder(handle)

    def run_dir(self, run: str) -> Path:
        """The folder of a run: config.json, log.txt, checkpoints/, report/."""
        return self.state / "runs" / _as_folder(run)

    def shown(self, path: Path) -> str:
        """A path for an answer: relative to the workspace where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def resolve_read(self, text: str, argument: str = "source", *, folder: bool = False) -> Path:
        """The regular file (or the folder, where one will do) that `text` names, symbolic links resolved.

        Raises:
            TrainwellError: `bad_path`, `path_outside_workspace`, `file_not_found`, `not_a_file`.
        """
        path = self._resolve(text, argument)
        if not any(path.is_relative_to(folder) for folder in (self.root, *self.allow_read)):
            raise _outside((self.root, *self.allow_read), text, argument)
        try:
            mode = path.stat().st_mode
        except FileNotFoundError as error:
            raise self._not_found(text, path, argument) from error
        except OSError as error:
            raise TrainwellError("bad_path", f"{error.strerror}.", argument=argument, got=text) from error
        if not stat.S_ISREG(mode) and not (folder and stat.S_ISDIR(mode)):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise TrainwellError("not_a_file", f"This path is {what}.", argument=argument, got=text, allowed="a file")
        if not os.access(path, os.R_OK):
            raise TrainwellError(
                "permission_denied", "This file may not be read.", argument=argument, got=text,
                hint="Let the user that runs trainwell read it, then call again.",
            )  # fmt: skip
        return path

    def resolve_write(self, text: str, argument: str = "path", *, overwrite: bool = False) -> Path:
        """Where a new file may be written: inside the workspace, outside its state folder.

        Raises:
            TrainwellError: `bad_path`, `path_outside_workspace`, `not_a_file`, `file_exists`.
        """
        path = self._resolve(text, argument)
        if not path.is_relative_to(self.root):
            raise _outside((self.root, *self.allow_read), text, argument)
        if path.is_relative_to(self.state):
            raise TrainwellError(
                "path_reserved",
                f"{STATE_FOLDER}/ is trainwell's own folder.",
                argument=argument,
                got=text,
                allowed="a path elsewhere in the workspace",
            )
        if path.is_dir():
            raise TrainwellError("not_a_file", "This path is a folder.", argument=argument, got=text, allowed="a file")
        if path.exists() and not overwrite:
            raise TrainwellError(
                "file_exists",
                "A file of that name exists.",
                argument=argument,
                got=text,
                hint="Name another file, or pass overwrite: true.",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainwellError(
                "bad_path", f"Its folder cannot be made: {error.strerror}.", argument=argument, got=text
            ) from error
        return path

    def _resolve(self, text: str, argument: str) -> Path:
        problem = _bad_characters(text)
        if problem:
            raise TrainwellError("bad_path", problem, argument=argument, got=text, allowed="a path in the workspace")
        try:
            return (self.root / text).resolve()
        except (OSError, RuntimeError) as error:  # a loop of symbolic links, a name too long
            raise TrainwellError("bad_path", "This path cannot be followed.", argument=argument, got=text) from error

    def _not_found(self, text: str, path: Path, argument: str) -> TrainwellError:
        try:
            names = [self.shown(entry) for entry in path.parent.iterdir() if not entry.name.startswith(".")]
        except OSError:
            names = []
        near = did_you_mean(self.shown(path), names)
        seen = f"The folder holds: {', '.join(quoted(name) for name in sorted(names)[:8])}." if names else None
        return TrainwellError(
            "file_not_found",
            "There is no such file.",
            argument=argument,
            got=text,
            hint=near or seen,
        )


# The workspace of the request that this process carries out. Deep inside, where foreign code is loaded, it decides
# whether it may be: without a request, nothing is allowed.
_at_work: ContextVar[Workspace | None] = ContextVar("workspace at work", default=None)


def workspace_at_work() -> Workspace:
    """The workspace whose work is done here; outside of any request one that allows nothing and holds no file."""
    return _at_work.get() or Workspace(Path(os.devnull))


def sources_in(folder: Path) -> list[str]:
    """Names of the files that look like data, and of the folders, at the top of a folder; files first."""
    found: list[tuple[bool, str]] = []
    with suppress(OSError):
        shown = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
        found = [(entry.is_dir(), entry.name) for entry in islice(shown, MOST_ENTRIES)]
    named = [(is_folder, name) for is_folder, name in found if is_folder or name.lower().endswith(DATA_SUFFIXES)]
    return [name for _, name in sorted(named)]


def _parallel(given: int | None) -> int | None:
    """How many runs at once: as given, else TRAINWELL_MAX_PARALLEL, else None."""
    named = os.environ.get("TRAINWELL_MAX_PARALLEL")
    if given is None and not named:
        return None
    text = str(given) if given is not None else str(named)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_PARALLEL):
        raise TrainwellError(
            "bad_max_parallel", f"{quoted(text)} is not a number of runs at once.", argument="--max-parallel", got=text,
            allowed=f"1 to {MOST_PARALLEL}",
            hint="As in `trainwell --max-parallel 2 serve`; it may come from TRAINWELL_MAX_PARALLEL, too.",
        )  # fmt: skip
    return int(text)


def _outside(folders: Iterable[Path], text: str, argument: str) -> TrainwellError:
    return TrainwellError(
        "path_outside_workspace",
        "This path leads out of the workspace.",
        argument=argument,
        got=text,
        allowed=f"paths under {', '.join(map(str, folders))}",
        hint="Copy the file into the workspace, or ask for a server started with --allow-read DIR.",
    )


def _bad_characters(text: str) -> str | None:
    if not text.strip():
        return "The path is empty."
    if len(text) > LONGEST_PATH:
        return f"The path is longer than {LONGEST_PATH} characters."
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        return "The path holds a control character."
    if text.startswith("~") or _SCHEME.match(text):
        return "Only paths of this machine's files are read, without ~ and without a scheme such as http://."
    return None


def _as_folder(handle: str) -> str:
    """The handle, proven to be one: it becomes a folder's name."""
    if not _HANDLE.match(handle) or ".." in handle:
        raise TrainwellError("unknown_handle", "This is not a handle.", got=handle)
    return handle
