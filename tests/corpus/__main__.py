"""`python -m tests.corpus`: run the corpus and say how well the doctor does. Takes minutes on an idle machine."""

from __future__ import annotations

import sys

from tests.corpus.bench import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
