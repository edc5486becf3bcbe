"""What can be learned from: sources become prepared arrays, under a handle that follows from their content.

Importing this loads NumPy only; polars comes with the first table that is read.
"""

from __future__ import annotations

from trainwell.data.cache import load_prepared, load_split
from trainwell.data.doors import encode, encode_in_parts, inspect, prepare, raw_source
from trainwell.data.kinds import schemas
from trainwell.data.parts import EncodedRows, SplitArrays
from trainwell.data.source import SHIPPED, Source, open_source

__all__ = [
    "SHIPPED",
    "EncodedRows",
    "Source",
    "SplitArrays",
    "encode",
    "encode_in_parts",
    "inspect",
    "load_prepared",
    "load_split",
    "open_source",
    "prepare",
    "raw_source",
    "schemas",
]
