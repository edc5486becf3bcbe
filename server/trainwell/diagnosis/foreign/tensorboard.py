"""TensorBoard event files: length-prefixed records with masked CRC-32C, each a small protocol buffer.

Only scalars are decoded, so neither tensorboard nor protobuf is needed; records of images, histograms and graphs are
skipped by their length. Source: the record format of TensorFlow (lib/io/record_writer) and the field numbers of
event.proto, summary.proto and tensor.proto; CRC-32C is RFC 3720, appendix B.4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.diagnosis.foreign._document import Cells, Raw
from trainwell.diagnosis.foreign._wire import BadMessage, fields, floats, integer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from trainwell.diagnosis.foreign._document import Document

FORMAT = "TensorBoard event file"
# A record of scalars is small: longer ones are pictures, histograms or graphs.
LONGEST_RECORD = 2**16
MOST_RECORDS = 200_000
_HEADER = struct.Struct("<QI")
_CASTAGNOLI = 0x82F63B78
_MASK = 0xA282EAD8
_EVENT_STEP, _EVENT_SUMMARY = 2, 5
_SUMMARY_VALUE, _VALUE_TAG, _VALUE_SIMPLE, _VALUE_TENSOR = 1, 1, 2, 8
_TENSOR_TYPE, _TENSOR_CONTENT, _TENSOR_FLOATS, _TENSOR_DOUBLES = 1, 4, 5, 6
# Number of a type in types.proto -> the field of its values, and how one is packed.
_REAL = {1: (_TENSOR_FLOATS, "<f"), 2: (_TENSOR_DOUBLES, "<d")}


def _table() -> tuple[int, ...]:
    values: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CASTAGNOLI if crc & 1 else 0)
        values.append(crc)
    return tuple(values)


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C of bytes, rotated and shifted as the record format has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def recognise(document: Document) -> float:
    """Sure where the first record's length has the right checksum; a name alone must be answered for."""
    if document.path is None:
        return 0.0
    head = document.head[: _HEADER.size]
    if len(head) == _HEADER.size and masked_crc(head[:8]) == _HEADER.unpack(head)[1]:
        return 1.0
    return 0.6 if "tfevents" in document.name else 0.0


def read(document: Document) -> Raw:
    """The scalars, one row a step.

    Raises:
        TrainwellError: `bad_event_file`, when no record can be read.
    """
    notes: list[str] = []
    rows: dict[int, Cells] = {}
    count = 0
    if document.path is None:
        raise TrainwellError("bad_event_file", "An event file is read from its path.", argument="log")
    with document.path.open("rb") as file:
        for data in _records(file, notes):
            count += 1
            for step, tag, value in _scalars(data):
                rows.setdefault(step, {"step": float(step)})[_named(tag, document.side)] = value
    if not count:
        raise TrainwellError(
            "bad_event_file", "No record of this event file can be read: it is cut or damaged.", argument="log",
            got=document.name, allowed="a file that SummaryWriter or a TensorBoard callback wrote",
        )  # fmt: skip
    ordered = [rows[step] for step in sorted(rows)]
    if ordered and all(_of_keras(name) for row in ordered for name in row):
        ordered = [{**row, "epoch": row["step"]} for row in ordered]
    return Raw(FORMAT, ordered, notes)


def _of_keras(name: str) -> bool:
    """Whether a step of this tag is an epoch: Keras's callback counts so, and says `epoch_loss`."""
    return name == "step" or name.removeprefix("train_").removeprefix("val_").startswith("epoch_")


def _named(tag: str, side: str) -> str:
    """Keras has the same tags in two folders, `epoch_loss` and the like: the folder says of which part."""
    return f"{side}{tag}" if side and not any(word in tag.lower() for word in ("train", "val", "step")) else tag


def _records(file: BinaryIO, notes: list[str]) -> Iterator[bytes]:
    """The small records of a file, up to its end or to the first that is damaged."""
    for _ in range(MOST_RECORDS):
        header = file.read(_HEADER.size)
        if not header:
            return
        if len(header) < _HEADER.size or masked_crc(header[:8]) != _HEADER.unpack(header)[1]:
            notes.append("The event file ends in a record that is cut or damaged.")
            return
        length = _HEADER.unpack(header)[0]
        if length > LONGEST_RECORD:
            file.seek(min(length, 2**62) + 4, 1)
            continue
        data, check = file.read(length), file.read(4)
        if len(data) < length or len(check) < 4 or masked_crc(data) != int.from_bytes(check, "little"):
            notes.append("The event file ends in a record that is cut or damaged.")
            return
        yield data
    notes.append(f"Only the first {MOST_RECORDS} records of the event file were read.")


def _scalars(record: bytes) -> Iterator[tuple[int, str, float]]:
    """Step, tag and value of every scalar of a record; a message that is malformed gives none."""
    try:
        event = fields(record)
        step = integer(event, _EVENT_STEP)
        for summary in event.get(_EVENT_SUMMARY, ()):
            for value in fields(summary).get(_SUMMARY_VALUE, ()):
                parts = fields(value)
                number = _value(parts)
                if number is not None and parts.get(_VALUE_TAG):
                    yield step, bytes(parts[_VALUE_TAG][-1]).decode("utf-8", "replace"), number
    except BadMessage:
        return


def _value(parts: dict[int, list[Any]]) -> float | None:
    """`simple_value`, or the one number of a tensor of float or double, as TensorFlow 2 writes it."""
    if _VALUE_SIMPLE in parts:
        return floats(parts[_VALUE_SIMPLE], "<f")
    if _VALUE_TENSOR not in parts:
        return None
    tensor = fields(parts[_VALUE_TENSOR][-1])
    place, packed = _REAL.get(integer(tensor, _TENSOR_TYPE), (None, ""))
    if place is None:
        return None
    return floats(tensor.get(place) or tensor.get(_TENSOR_CONTENT) or [], packed)
