from __future__ import annotations

from pathlib import Path

import pytest

from trainwell.store.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)
