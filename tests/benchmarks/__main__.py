"""All benchmarks: `python -m tests.benchmarks`. Takes about ten minutes; the machine should be idle."""

import sys

from tests.benchmarks import engine, front_door, neighbour, stall, together

if __name__ == "__main__":
    sys.exit(engine.main([]) | front_door.main() | neighbour.main() | stall.main() | together.main())
