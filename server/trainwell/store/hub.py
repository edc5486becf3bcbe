"""What comes from the Hugging Face hub: downloaded here and nowhere else, only where that was allowed, never code.

A download lies in the workspace's state folder and is used again without asking anybody. Only files of the patterns
that the caller names are taken; none of them is ever run or unpickled.
"""

# The library leaves some of its arguments untyped.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal

from trainwell.contract.errors import TrainwellError, extra_missing
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.store.workspace import Workspace

SCHEME = "hub://"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$")
# Written last: a folder without it is what an interrupted download left.
_DONE = ".trainwell-complete"


def is_name(text: str) -> bool:
    """Whether this could be the name of a repository, such as `org/name`."""
    return _NAME.match(text) is not None and ".." not in text


def snapshot(
    workspace: Workspace, name: str, kind: Literal["model", "dataset"], patterns: Sequence[str], argument: str
) -> Path:
    """The folder with a repository's files, downloaded when it is not there yet.

    Args:
        workspace: Holds downloads, and says whether they are allowed.
        name: `name` or `org/name`, with or without `hub://`.
        kind: What kind of repository.
        patterns: Files to take, as shell patterns.
        argument: Of the tool, for errors.

    Raises:
        TrainwellError: `bad_hub_name`, `not_allowed`, `extra_missing`, `hub_unreachable`.
    """
    name = name.removeprefix(SCHEME)
    if not is_name(name):
        raise TrainwellError(
            "bad_hub_name", "This is no name of a repository.", argument=argument, got=name, allowed="org/name"
        )
    folder = workspace.state / "hub" / f"{kind}--{name.replace('/', '--')}"
    if (folder / _DONE).is_file():
        return folder
    workspace.require("hub", argument, name)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise extra_missing("huggingface_hub", "hub", argument) from error
    try:
        # token=False: a person's login is not ours to use.
        snapshot_download(name, repo_type=kind, local_dir=folder, allow_patterns=list(patterns), token=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainwellError(
            "hub_unreachable", f"The hub did not give this repository: {plain(str(error), 200)}", argument=argument,
            got=name, hint="Check the name and the network, or give a local folder.",
        ) from error  # fmt: skip
    (folder / _DONE).touch()
    return folder
