"""Numbers of the wrong type: float64 from NumPy, integers for a loss, half precision where it is not known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.crashes import Crash

if TYPE_CHECKING:
    from re import Match

_NAMES = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "byte": "uint8",
    "char": "int8",
    "bool": "bool",
    "c10::half": "float16",
    "c10::bfloat16": "bfloat16",
}


def _named(word: str) -> str:
    return _NAMES.get(word.lower(), word[:20].lower())


def _types(match: Match[str]) -> dict[str, str]:
    words = {_named(word) for word in match.groupdict().values() if word}
    if "float64" in words:
        return {
            "why": "NumPy counts in float64, networks in float32.",
            "first": "Convert the inputs, or the target of a regression: x.float().",
        }
    if words & {"float16", "bfloat16"}:
        return {
            "why": "Half precision met full precision: a network or tensor was converted by hand, or a part ran "
            "outside of autocast.",
            "first": "Keep the weights in float32 and run forward and loss under torch.autocast.",
        }
    return {
        "why": "Integers where real numbers are meant, or the other way round.",
        "first": "x.float() for inputs and values, target.long() for class numbers.",
    }


_FIX = (("{first}", "Both sides have one type."),)

CRASHES = (
    Crash(
        "dtype_mismatch",
        re.compile(
            r"expected (?:m1 and m2 to have the same dtype, but got: (?P<a>[\w:]+) != (?P<b>[\w:]+)"
            r"|scalar type (?P<c>\w+) but found (?P<d>\w+))"
        ),
        "Two tensors that are put together have different types ({a}{c} and {b}{d}).",
        "{why}",
        _FIX,
        _types,
    ),
    Crash(
        "dtype_mismatch",
        re.compile(
            r"(?:mat1 and mat2|self and mat2|query, key, and value) (?:must|should) have the same dtype, but got "
            r"(?:query\.dtype: )?(?P<a>[\w:]+)(?: and |,? key\.dtype: )(?P<b>[\w:]+)"
        ),
        "Weights and input have different types ({a} and {b}).",
        "{why}",
        _FIX,
        _types,
    ),
    Crash(
        "dtype_mismatch",
        re.compile(r"Found dtype (?P<a>\w+) but expected (?P<b>\w+)"),
        "The loss got a target of type {a} for outputs of {b}.",
        "{why}",
        _FIX,
        _types,
    ),
    Crash(
        "dtype_not_supported",
        re.compile(r"\"(?P<operation>[\w.]{1,60})\" not implemented for '(?P<a>\w+)'"),
        "{operation} cannot count in {a}.",
        "{why}",
        _FIX,
        _types,
    ),
    Crash(
        "dtype_not_supported",
        re.compile(
            r"Expected tensor for argument #\d+ 'indices' to have one of the following scalar types: Long, Int; but "
            r"got (?:instead )?(?:torch\.)?(?:cuda\.)?(?P<a>\w+?)(?:Tensor)? instead"
        ),
        "An embedding got indices of type {a}.",
        "Token numbers became real numbers on the way.",
        (("Convert them: ids.long().", "Indices are whole numbers."),),
    ),
    Crash(
        "target_type",
        re.compile(
            r"expected target dtype to be Long or Byte, but got (?P<a>\w+)|expected scalar type Long but "
            r"found (?P<b>\w+)"
        ),
        "Cross-entropy got class numbers of type {a}{b}.",
        "Labels that were read as real numbers, or as int32.",
        (("Convert them: target.long(), of shape (B,).", "The loss is about ln(number of classes) at first."),),
    ),
    Crash(
        "integers_averaged",
        re.compile(
            r"mean\(\): could not infer output dtype|result type (?P<a>\w+) can't be cast to the desired output type "
            r"(?P<b>\w+)"
        ),
        "Whole numbers were given to an operation that answers in real ones.",
        "A target or a metric was left as int64 or bool.",
        (("Convert it first: x.float().", "A real number."),),
    ),
    Crash(
        "object_array",
        re.compile(r"can't convert np\.ndarray of type numpy\.object_"),
        "An array of Python objects cannot become a tensor.",
        "Text, missing values or rows of different length in a table's columns.",
        (
            (
                "Find the columns with df.dtypes, encode or drop them, then df.to_numpy(dtype='float32').",
                "An array of numbers.",
            ),
        ),
    ),
)
