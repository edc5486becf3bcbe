"""What is wrong with a run: pure judgement over recorded numbers.

`diagnose` turns a `Trace` into findings; `told` turns what an agent says into a `Trace`.
"""

from __future__ import annotations

from trainwell.diagnosis.ranking import diagnose
from trainwell.diagnosis.rule import rules

__all__ = ["diagnose", "rules"]
