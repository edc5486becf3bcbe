"""The tokenizer of prepared texts: chosen and fitted on the training part, kept in its `encoding` as bounded JSON."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.data.text.subwords import Subwords, unreadable
from trainwell.data.text.vocabulary import UNKNOWN, Characters, Words

if TYPE_CHECKING:
    import polars as pl

    from trainwell.data.parts import Array

NAMES = ("auto", "word", "char", "bpe")
# What a checkpoint carries of a tokenizer, packed; that of a network for a hundred languages takes 6 MB.
LARGEST_PACKED = 12_000_000
_LARGEST_UNPACKED = 64_000_000


class Tokenizer(Protocol):
    """Texts as token numbers: 0 is padding, 1 (in our own) unknown."""

    @property
    def kind(self) -> str:
        """word, char, bpe or pretrained."""
        ...

    @property
    def longest(self) -> int | None:
        """The most tokens that the network it belongs to can take, if it belongs to one."""
        ...

    @property
    def size(self) -> int:
        """How many token numbers there are; each is smaller than this."""
        ...

    def flat(self, texts: pl.Series, most: int) -> tuple[Array, Array]:
        """All tokens of all texts, one behind the other, each text cut after `most`.

        Returns:
            (tokens,) int32 and (rows,) int64, the tokens of each text.
        """
        ...

    def counts(self, texts: pl.Series) -> Array:
        """(rows,) int64, the tokens of each text, uncut."""
        ...

    def content(self) -> dict[str, Any]:
        """JSON that makes it again."""
        ...

    def told(self) -> str:
        """What it is, in words."""
        ...


def fit(name: str, texts: pl.Series, size: int | None, *, lowercase: bool | None) -> Tokenizer:
    """The tokenizer of this name, fitted on the training texts.

    Args:
        name: One of `NAMES`, or the folder of a pretrained one.
        texts: The training texts, without nulls.
        size: Most token numbers; the tokenizer's own default when None.
        lowercase: Whether to put texts in lower case first; the tokenizer's own default when None.

    Raises:
        TrainwellError: `extra_missing`, `tokenizer_not_found`, `tokenizer_unreadable`, `not_for_this_tokenizer`.
    """
    if name == "char":
        return Characters.fit(texts, size, lowercase=lowercase)
    if name == "bpe":
        return Subwords.train(texts, size, lowercase=lowercase)
    if name in {"auto", "word"}:
        return Words.fit(texts, size, lowercase=lowercase)
    for option, value in (("vocabulary", size), ("lowercase", lowercase)):
        if value is not None:
            raise TrainwellError(
                "not_for_this_tokenizer", f"A pretrained tokenizer brings its own {option}.",
                argument=f"options/{option}", got=value, hint="Leave it out.",
            )  # fmt: skip
    return Subwords.of_folder(Path(name))


def packed(tokenizer: Tokenizer) -> dict[str, Any]:
    """The tokenizer as JSON for `PreparedData.encoding`.

    Raises:
        TrainwellError: `tokenizer_too_large`.
    """
    text = json.dumps(tokenizer.content(), ensure_ascii=False, separators=(",", ":"))
    content = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(content) > LARGEST_PACKED:
        raise TrainwellError(
            "tokenizer_too_large", f"The tokenizer takes {len(content):,} bytes in every checkpoint.",
            argument="options/tokenizer", allowed=f"at most {LARGEST_PACKED:,} bytes",
            hint="Use a smaller vocabulary.",
        )  # fmt: skip
    about = {"identity": tokenizer.identity} if isinstance(tokenizer, Subwords) else {}
    return {"type": tokenizer.kind, "size": tokenizer.size, **about, "packed": content}


def unpacked(entry: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `packed` wrote down.

    Raises:
        TrainwellError: `tokenizer_unreadable`, `extra_missing`.
    """
    try:
        machine = zlib.decompressobj()
        text = machine.decompress(base64.b64decode(entry["packed"]), _LARGEST_UNPACKED)
        content = json.loads(text)
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise unreadable("the prepared data does not hold it whole") from error
    if entry["type"] == "word":
        return Words(tuple(content["vocabulary"]), content["lowercase"])
    if entry["type"] == "char":
        return Characters(tuple(content["vocabulary"]), content["lowercase"])
    return Subwords.of_content(content)


def rows_of(tokenizer: Tokenizer, texts: pl.Series, length: int) -> tuple[Array, Array]:
    """Texts as the network takes them; a text without any token becomes one unknown token.

    Returns:
        (rows, length) int32, 0 behind the end, and (rows,) int64 real tokens of each, at least 1.
    """
    ids, counts = tokenizer.flat(texts, length)
    out = np.zeros((len(counts), length), np.int32)
    out[np.arange(length) < counts[:, None]] = ids
    empty = counts == 0
    out[empty, 0] = UNKNOWN
    return out, np.where(empty, 1, counts).astype(np.int64)
