"""Prints the JSON Schemas of all architectures' options, for a caller that must not load torch."""

import json
import sys

from trainwell.architectures import schemas

sys.stdout.write(json.dumps(schemas()))
