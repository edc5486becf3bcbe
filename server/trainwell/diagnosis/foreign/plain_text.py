"""Text as programs print it: `Epoch 3/10 - loss: 0.41 - val_loss: 0.5`, `step 100 | loss 2.3 | lr 3e-4`, tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.diagnosis import logs
from trainwell.diagnosis.foreign._document import Raw

if TYPE_CHECKING:
    from trainwell.diagnosis.foreign._document import Document


def recognise(document: Document) -> float:
    """Takes any text that nobody else takes."""
    return 0.1 if document.text or document.path is None else 0.0


def read(document: Document) -> Raw:
    """Every value that the lines name."""
    logged = logs.read(document.text)
    return Raw("text log", logged.rows, document.notes, logged.settings)
