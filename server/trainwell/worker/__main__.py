"""Entry of worker processes: `preloaded SOCKET` forks workers on request, `once` does one from standard input."""

from __future__ import annotations

import json
import sys


def main() -> int:
    """Run as the arguments say."""
    if sys.argv[1:2] == ["preloaded"]:
        from trainwell.worker.preloaded import serve  # noqa: PLC0415 - imports torch

        return serve(sys.argv[2])
    if sys.argv[1:] == ["once"]:
        from trainwell.worker.requests import answer  # noqa: PLC0415 - imports torch

        reply = answer(json.load(sys.stdin))
        sys.stdout.write(json.dumps(reply) + "\n")
        return 0
    sys.stderr.write("usage: python -m trainwell.worker preloaded SOCKET | once\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
