"""Targets and indices outside of what the network has room for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.crashes import Crash

if TYPE_CHECKING:
    from re import Match

_OUTSIDE = "Class numbers go from 0 to the number of outputs minus one"


def _target(match: Match[str]) -> dict[str, str]:
    number = int(match["target"])
    if number < 0:
        return {
            "why": f"{number} often marks rows without a label.",
            "first": f"Pass ignore_index={number}, or drop these rows.",
        }
    return {
        "why": f"{_OUTSIDE}; labels that start at 1 are the commonest reason.",
        "first": f"Number the labels from 0 (target - 1, or a mapping), or give the network {number + 1} "
        f"outputs or more.",
    }


def _assertion(match: Match[str]) -> dict[str, str]:
    """What the kernel said before: it stands above the traceback."""
    before = match.string[max(match.start() - 20_000, 0) :]
    if re.search(r"t(?:arget)? >= 0 && (?:cur_target|t) < n_classes|cur_target >= 0", before):
        return {
            "why": f"A target is no class of the network. {_OUTSIDE}.",
            "first": "Look at target.min() and target.max() against the number of outputs.",
        }
    if re.search(r"srcIndex < srcSelectDimSize|indexSelect|index out of bounds|idx_dim", before):
        return {
            "why": "An index is outside of its table: a token number beyond the embedding, or a position beyond the "
            "longest length.",
            "first": "Look at the largest index against num_embeddings, and the length against the "
            "number of positions.",
        }
    if re.search(r"input_val >= zero|between 0 and 1", before):
        return {"why": "BCELoss got values outside of 0 to 1.", "first": "Use BCEWithLogitsLoss on raw outputs."}
    return {
        "why": "Most often a target or an index outside of its range; the line named is where it was noticed, not "
        "where it happened.",
        "first": "Run one batch on the CPU, where the error is said in words.",
    }


CRASHES = (
    Crash(
        "target_out_of_range",
        re.compile(r"Target (?P<target>-?\d{1,18}) is out of bounds"),
        "Target {target} is no class of the network.",
        "{why}",
        (("{first}", "target.min() is 0, target.max() is below the number of outputs."),),
        _target,
    ),
    Crash(
        "device_assert",
        re.compile(r"device-side assert triggered"),
        "A kernel on the GPU refused its input.",
        "{why}",
        (
            ("{first}", "The value at fault has a name."),
            ("Run again with CUDA_LAUNCH_BLOCKING=1.", "The traceback points at the line that is at fault."),
        ),
        _assertion,
        confidence=0.85,
    ),
    Crash(
        "index_out_of_range",
        re.compile(r"IndexError: index out of range in self"),
        "An embedding was asked for an index that it does not have.",
        "The vocabulary is larger than num_embeddings, the tokenizer and the network do not belong together, or a text "
        "is longer than the positions.",
        (
            (
                "Take num_embeddings from the tokenizer (len(tokenizer)), and cut texts to the longest length.",
                "ids.max() < num_embeddings.",
            ),
        ),
    ),
    Crash(
        "probabilities_expected",
        re.compile(r"all elements of (?P<what>input|target) should be between 0 and 1"),
        "Binary cross-entropy got an {what} outside of 0 to 1.",
        "Raw outputs, or NaN, went into BCELoss.",
        (("Use BCEWithLogitsLoss on the raw outputs and drop the sigmoid.", "Stable, also for large outputs."),),
    ),
)
