"""What is wrong with a run: pure judgement over recorded numbers.

`diagnose` turns a `Trace` into findings; `told` turns what an agent says into a `Trace`.
"""

from __future__ import annotations

from trainwell.diagnosis.ranking import diagnose
from trainwell.diagnosis.rule import rules
from trainwell.diagnosis.telling import WHAT_TO_TELL, told

__all__ = ["WHAT_TO_TELL", "diagnose", "rules", "told"]
