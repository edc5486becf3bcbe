"""All benchmarks: `python -m tests.benchmarks`. Takes about ten minutes; the machine should be idle."""

import sys

from tests.benchmarks import front_door, neighbour

if __name__ == "__main__":
    sys.exit(front_door.main() | neighbour.main())
