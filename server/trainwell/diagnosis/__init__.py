"""What is wrong with a run: pure judgement over recorded numbers.

`diagnose` turns a `Trace` into findings; `told` turns what an agent says into a `Trace`; `foreign` reads the logs of
others, and `understood` says how, and what they are too poor for.
"""

from __future__ import annotations

from trainwell.diagnosis import foreign
from trainwell.diagnosis.ranking import diagnose
from trainwell.diagnosis.telling import WHAT_TO_TELL, told
from trainwell.diagnosis.understanding import Understood, understood, unjudged

__all__ = ["WHAT_TO_TELL", "Understood", "diagnose", "foreign", "told", "understood", "unjudged"]
