"""`python -m trainwell` is `trainwell`."""

import sys

from trainwell.cli import main

sys.exit(main())
