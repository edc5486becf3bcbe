"""Faults out of public corpora, told anew from what is known of them, with their corrections as twins.

Layers, losses, optimizers and rates are facts that were read in the repositories of the papers; no line of theirs is
here. They are told as loops of other people that `trainwell.watch` listens to, and reported apart, beside what the
authors of the corpora published (`published`).

Not rebuilt: what trains nothing (Stack Overflow 45337371), what equals its correction (50481178, 31627380) or is
corrected only in how accuracy is counted (44164749), what needs a file, a pretrained network, several devices or a
fault of an older torch (47724077, 48594888, 34673164, 41372874; TrainCheck's others), and AUTOTRAINER's models for
CIFAR-10 and MNIST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.public import autotrainer, deepchecker, deeplocalize, traincheck

if TYPE_CHECKING:
    from tests.corpus.cases import Collection


def add(to: Collection) -> None:
    """All cases."""
    for part in (deeplocalize, autotrainer, deepchecker, traincheck):
        part.add(to)
