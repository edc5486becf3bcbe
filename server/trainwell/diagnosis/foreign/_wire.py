"""The wire format of protocol buffers, as far as scalars need it.

Source: the encoding chapter of the protocol buffers documentation: keys are (number << 3 | type), type 0 is a varint,
1 eight bytes, 2 a length and bytes, 5 four bytes.
"""

from __future__ import annotations

import struct
from typing import Any

_FIXED = {1: 8, 5: 4}


class BadMessage(ValueError):  # noqa: N818 - says what it is
    """Bytes that are no message."""


def fields(message: Any) -> dict[int, list[Any]]:
    """Field number -> its values in order: int for varints, bytes for everything else.

    Raises:
        BadMessage: The bytes end within a field, or have a type that nobody writes.
    """
    if not isinstance(message, bytes):
        raise BadMessage
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
        else:
            size = _FIXED.get(kind)
            if kind == 2:
                size, place = _varint(message, place)
            if size is None or place + size > len(message):
                raise BadMessage
            value, place = message[place : place + size], place + size
        found.setdefault(key >> 3, []).append(value)
    return found


def integer(found: dict[int, list[Any]], number: int) -> int:
    """The last value of an integer field, as int64; 0 where it is absent, as proto3 has it."""
    value = found.get(number, [0])[-1]
    if not isinstance(value, int):
        raise BadMessage
    return value - 2**64 if value >= 2**63 else value


def floats(values: list[Any], packed: str) -> float | None:
    """The one number that bytes hold, or None where they hold none or several."""
    data = values[-1] if values else b""
    if not isinstance(data, bytes) or len(data) != struct.calcsize(packed):
        return None
    return struct.unpack(packed, data)[0]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise BadMessage
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), place
    raise BadMessage
