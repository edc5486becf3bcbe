"""Tokenizers of the base install: whole words, or single characters, numbered by how often training texts hold them.

Texts are cut by a regular expression inside polars and numbered by a join, so no token passes through Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.text import quoted
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from trainwell.data.parts import Array

UNKNOWN = 1
# 0 is padding and 1 is unknown; tokens follow.
FIRST = 2
WORDS, CHARACTERS = 20_000, 1_000
# Scripts that put no spaces between words: each of their characters is a token of its own.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# An apostrophe, straight or curved, holds a word together.
_WORD = rf"[{_UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}_&&[^{_UNSPACED}]]+(?:['\u2019]\p{{L}}+)*|[^\s\p{{L}}\p{{M}}\p{{N}}_]"
# A word that training shows once teaches nothing about its class that would carry over.
_FEWEST = 2


@dataclass(frozen=True)
class Words:
    """Words, numbers and single signs of punctuation.

    Attributes:
        vocabulary: The tokens from number 2 on, the commonest first.
        lowercase: Whether texts are put in lower case first.
    """

    vocabulary: tuple[str, ...]
    lowercase: bool = True
    kind: str = field(default="word", init=False)
    longest: int | None = field(default=None, init=False)

    @classmethod
    def fit(cls, texts: pl.Series, size: int | None, *, lowercase: bool | None) -> Words:
        """The commonest words of the training texts that occur twice or more."""
        lowercase = lowercase is not False
        cut = _words(texts, lowercase=lowercase, most=None).explode().drop_nulls()
        return cls(_commonest(cut, (size or WORDS + FIRST) - FIRST, _FEWEST), lowercase)

    @property
    def size(self) -> int:
        """Token numbers, padding and unknown included."""
        return len(self.vocabulary) + FIRST

    def flat(self, texts: pl.Series, most: int) -> tuple[Array, Array]:
        """See `tokenizer.Tokenizer`."""
        cut = _words(texts, lowercase=self.lowercase, most=most)
        counts = cut.list.len().cast(pl.Int64).to_numpy()
        tokens = cut.explode().drop_nulls()
        known = pl.Series(self.vocabulary, dtype=pl.String)
        numbers = pl.Series(np.arange(FIRST, self.size, dtype=np.int32))
        if known.is_empty() or tokens.is_empty():
            return np.full(len(tokens), UNKNOWN, np.int32), counts
        ids = tokens.replace_strict(known, numbers, default=UNKNOWN, return_dtype=pl.Int32)
        return ids.to_numpy(), counts

    def counts(self, texts: pl.Series) -> Array:
        """See `tokenizer.Tokenizer`."""
        return _words(texts, lowercase=self.lowercase, most=None).list.len().cast(pl.Int64).to_numpy()

    def content(self) -> dict[str, Any]:
        """See `tokenizer.Tokenizer`."""
        return {"vocabulary": list(self.vocabulary), "lowercase": self.lowercase}

    def told(self) -> str:
        """See `tokenizer.Tokenizer`."""
        return f"words: {counted(len(self.vocabulary), 'word')} that the training texts hold twice or more"


@dataclass(frozen=True)
class Characters:
    """Single characters, spaces included."""

    vocabulary: tuple[str, ...]
    lowercase: bool = False
    kind: str = field(default="char", init=False)
    longest: int | None = field(default=None, init=False)

    @classmethod
    def fit(cls, texts: pl.Series, size: int | None, *, lowercase: bool | None) -> Characters:
        """The commonest characters of the training texts."""
        lowercase = bool(lowercase)
        codes = _codes(texts.str.to_lowercase() if lowercase else texts)
        found, times = np.unique(codes, return_counts=True)
        order = np.lexsort((found, -times))[: (size or CHARACTERS + FIRST) - FIRST]
        return cls(tuple(map(chr, found[order].tolist())), lowercase)

    @property
    def size(self) -> int:
        """Token numbers, padding and unknown included."""
        return len(self.vocabulary) + FIRST

    def flat(self, texts: pl.Series, most: int) -> tuple[Array, Array]:
        """See `tokenizer.Tokenizer`."""
        cut = (texts.str.to_lowercase() if self.lowercase else texts).str.slice(0, most)
        codes = _codes(cut)
        known = np.array([ord(character) for character in self.vocabulary], np.uint32)
        order = np.argsort(known)
        place = np.minimum(np.searchsorted(known[order], codes), max(len(known) - 1, 0))
        right = known[order][place] == codes if len(known) else np.zeros(len(codes), bool)
        ids = np.where(right, order[place] + FIRST if len(known) else UNKNOWN, UNKNOWN).astype(np.int32)
        return ids, cut.str.len_chars().cast(pl.Int64).to_numpy()

    def counts(self, texts: pl.Series) -> Array:
        """See `tokenizer.Tokenizer`."""
        return texts.str.len_chars().cast(pl.Int64).to_numpy()

    def content(self) -> dict[str, Any]:
        """See `tokenizer.Tokenizer`."""
        return {"vocabulary": list(self.vocabulary), "lowercase": self.lowercase}

    def told(self) -> str:
        """See `tokenizer.Tokenizer`."""
        first = "".join(self.vocabulary[:8])
        return f"characters: {len(self.vocabulary):,} different ones, such as {quoted(first, 20)}"


def _words(texts: pl.Series, *, lowercase: bool, most: int | None) -> pl.Series:
    """(rows,) lists of tokens."""
    cut = (texts.str.to_lowercase() if lowercase else texts).str.extract_all(_WORD)
    return cut if most is None else cut.list.head(most)


def _codes(texts: pl.Series) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The code points of all texts, one behind the other."""
    return np.frombuffer("".join(texts.to_list()).encode("utf-32-le"), np.uint32)


def _commonest(tokens: pl.Series, most: int, fewest: int) -> tuple[str, ...]:
    """Distinct tokens by falling count, ties in alphabetical order, so that the same texts give the same numbers."""
    counted = tokens.rename("token").value_counts(name="times").filter(pl.col("times") >= fewest)
    ranked = counted.sort(["times", "token"], descending=[True, False]).head(max(0, most))
    return tuple(ranked["token"].to_list())
