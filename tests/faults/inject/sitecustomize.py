"""Loaded by every Python process that has this folder on its path; does nothing unless TRAINWELL_TEST_FAULTS is set.

The product has no hook for faults. Worker processes keep PYTHON* and TRAINWELL_* variables, so this file gets into
them, and into the preloaded process that they are forked from.
"""

import os
import sys

if os.environ.get("TRAINWELL_TEST_FAULTS"):
    import importlib.abc
    import importlib.util

    WATCHED = {"trainwell.worker.training_process": "worker", "trainwell.runs.preloaded": "server"}

    class Finder(importlib.abc.MetaPathFinder):
        """Lets the ordinary finders do their work, and patches a watched module when it has been executed."""

        def find_spec(self, name, path, target=None):  # noqa: ARG002
            if name not in WATCHED:
                return None
            sys.meta_path.remove(self)
            try:
                spec = importlib.util.find_spec(name)
            finally:
                sys.meta_path.insert(0, self)
            execute = spec.loader.exec_module

            def executed(module):
                execute(module)
                import injected

                getattr(injected, f"patch_{WATCHED[name]}")(module)

            spec.loader.exec_module = executed
            return spec

    sys.meta_path.insert(0, Finder())
