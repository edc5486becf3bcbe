"""`python -m tests.contracts.refusals [SCENE ...]`: write the pages."""

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.contracts import refusals

for name in sys.argv[1:] or refusals.NAMES:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        count = refusals.write(name, Path(os.path.realpath(folder)))
        sys.stderr.write(f"{name}: {count} refusals in {time.monotonic() - began:.1f} s\n")
