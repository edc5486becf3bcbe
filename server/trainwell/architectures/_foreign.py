"""A person's own Python file: read once, run as a module, and its failures told by file and line.

Runs in workers only, and only where `--allow-code` was given. What is executed is exactly what was hashed: the bytes
are read once, and neither bytecode caches nor neighbouring files take part.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import plain, quoted

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import ModuleType

LARGEST_FILE = 2**20  # bytes
LONGEST_REASON = 240  # characters of a foreign exception that are told
# These say nothing about the code; the worker knows what to do about them.
_NOT_OF_THE_CODE = (TrainwellError, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
_ALLOCATOR_WORDS = ("can't allocate memory", "out of memory")


class Foreign(nn.Module):
    """A person's own network, whose failures become errors that name its file and line. Gives what it gives."""

    def __init__(self, own: nn.Module, path: Path) -> None:
        super().__init__()
        self.own = own
        self.path = path

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs in the order of the prepared data."""
        with told_apart(self.path, "forward"):
            return self.own(*inputs)


class _Bytes(importlib.abc.SourceLoader):
    """Loads a module from bytes in memory, so that what was hashed is what runs; keeps no bytecode."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 - the interface's
        """Where the code says that it is from."""
        return str(self._path)

    def get_data(self, path: str) -> bytes:  # noqa: ARG002
        """The bytes themselves, whatever is asked for."""
        return self._content


def read(path: Path) -> tuple[bytes, str]:
    """The file's bytes and their SHA-256.

    Raises:
        TrainwellError: `module_too_large`.
    """
    content = path.read_bytes()
    if len(content) > LARGEST_FILE:
        raise TrainwellError(
            "module_too_large", f"{path.name} is no source file.", argument="module", got=len(content),
            allowed=f"at most {LARGEST_FILE:,} bytes",
        )  # fmt: skip
    return content, hashlib.sha256(content).hexdigest()


def load(path: Path, content: bytes, digest: str) -> ModuleType:
    """The file as a module; the same content is run once in a process.

    Raises:
        TrainwellError: `module_failed`, with file and line.
    """
    name = f"trainwell_own_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, _Bytes(path, content), origin=str(path))
    if spec is None or spec.loader is None:  # pragma: no cover - it is given a loader
        raise AssertionError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes look themselves up there
    try:
        with told_apart(path, "import"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def network_class(module: ModuleType, name: str, path: Path) -> type[nn.Module]:
    """The class of this name.

    Raises:
        TrainwellError: `unknown_class`, `not_a_module`.
    """
    found = vars(module).get(name)
    networks = sorted(
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    )
    if found is None:
        raise TrainwellError(
            "unknown_class", f"{path.name} has no class of this name.", argument="module", got=name,
            allowed=networks, hint=did_you_mean(name, networks) or "Write module as path/to/file.py:ClassName.",
        )  # fmt: skip
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise TrainwellError(
            "not_a_module", f"{quoted(name)} in {path.name} is no subclass of torch.nn.Module.", argument="module",
            got=name, allowed=networks,
        )  # fmt: skip
    return found


@contextmanager
def told_apart(path: Path, doing: str) -> Generator[None]:
    """Turn what foreign code raises into one error with its file and line.

    Raises:
        TrainwellError: `module_failed`.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, _NOT_OF_THE_CODE) or any(words in str(error).lower() for words in _ALLOCATOR_WORDS):
            raise
        raise failure(error, path, doing) from None


def failure(error: BaseException, path: Path, doing: str) -> TrainwellError:
    """What foreign code raised, told in one sentence."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = lines[-1] if lines else error.lineno if isinstance(error, SyntaxError) else None
    where = path.name if line is None else f"{path.name}, line {line}"
    reason = plain(" ".join(str(error).split()), LONGEST_REASON)
    missing = isinstance(error, ModuleNotFoundError)
    return TrainwellError(
        "module_failed",
        f"{where}, raised in {doing}: {type(error).__name__}: {reason}",
        argument="module",
        hint="It may import installed packages only, no files beside it." if missing else "Mend the file.",
    )
