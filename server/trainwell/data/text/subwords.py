"""Tokenizers of the library tokenizers: byte pairs learnt from the training texts, or those of a pretrained network."""

# The library has types for what it returns, but not for all that it takes.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from trainwell.contract.errors import TrainwellError, extra_missing
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    from tokenizers import Tokenizer as Library

    from trainwell.data.parts import Array

PIECES = 8_000
FILE = "tokenizer.json"
# That of a network for a hundred languages has 17 MB.
LARGEST_FILE_BYTES = 32_000_000
# Where a tokenizer knows no limit of its own it writes 10^30.
_NO_LIMIT = 1_000_000
_PADDINGS = ("[PAD]", "<pad>", "<|pad|>", "<|padding|>")


@dataclass(frozen=True)
class Subwords:
    """Pieces of words.

    Attributes:
        library: The tokenizer; it neither pads nor cuts by itself.
        kind: `bpe` was trained on the training texts, `pretrained` came with a network.
        pad: The number of its padding token; it changes places with 0, so that 0 is padding here too.
        longest: The most tokens that the network it belongs to can take, if it says so.
    """

    library: Library
    kind: Literal["bpe", "pretrained"]
    pad: int | None = 0
    longest: int | None = None

    @classmethod
    def train(cls, texts: pl.Series, size: int | None, *, lowercase: bool | None) -> Subwords:
        """Learn byte pairs from the training texts.

        Raises:
            TrainwellError: `extra_missing`.
        """
        library = _library()
        from tokenizers import models, normalizers, pre_tokenizers, trainers  # noqa: PLC0415 - an extra

        made = library(models.BPE())
        steps = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase is not False else [])]
        made.normalizer = normalizers.Sequence(steps)
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=size or PIECES, min_frequency=2, special_tokens=["[PAD]", "[UNK]"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        made.train_from_iterator(texts.to_list(), trainer)
        return cls(_bare(made), "bpe")

    @classmethod
    def of_folder(cls, folder: Path) -> Subwords:
        """The tokenizer of a pretrained network: `tokenizer.json`, and what the files beside it say.

        Raises:
            TrainwellError: `extra_missing`, `tokenizer_not_found`, `tokenizer_unreadable`.
        """
        file = folder / FILE
        if not file.is_file():
            raise TrainwellError(
                "tokenizer_not_found", f"This folder holds no {FILE}.", argument="options/tokenizer", got=folder.name,
                allowed=["auto", "word", "char", "bpe", f"a folder with {FILE}"],
            )  # fmt: skip
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise unreadable(f"it is larger than {LARGEST_FILE_BYTES:,} bytes")
        config, about = _read_json(folder / "config.json"), _read_json(folder / "tokenizer_config.json")
        made = _parsed(file.read_text(encoding="utf-8", errors="replace"))
        pad: Any = config.get("pad_token_id")
        if not isinstance(pad, int):
            known = [made.token_to_id(token) for token in _PADDINGS]
            pad = next((number for number in known if number is not None), None)
        longest = about.get("model_max_length")
        longest = int(longest) if isinstance(longest, int | float) and 1 < longest < _NO_LIMIT else None
        return cls(_bare(made), "pretrained", pad, longest)

    @classmethod
    def of_content(cls, content: dict[str, Any]) -> Subwords:
        """From what `content` gave.

        Raises:
            TrainwellError: `extra_missing`, `tokenizer_unreadable`.
        """
        return cls(_bare(_parsed(content["json"])), content["kind"], content["pad"], content["longest"])

    @property
    def size(self) -> int:
        """Token numbers, padding and unknown included."""
        return int(self.library.get_vocab_size())

    @property
    def identity(self) -> str:
        """Tells one tokenizer from another: SHA-256 of its JSON without padding and cutting."""
        return hashlib.sha256(self.library.to_str().encode()).hexdigest()

    def flat(self, texts: pl.Series, most: int) -> tuple[Array, Array]:
        """See `tokenizer.Tokenizer`. Special tokens at the end stay when a text is cut."""
        self.library.enable_truncation(max(most, self.library.num_special_tokens_to_add(False) + 1))
        try:
            found = [encoded.ids for encoded in self.library.encode_batch_fast(texts.to_list())]
        finally:
            self.library.no_truncation()
        counts = np.fromiter(map(len, found), np.int64, len(found))
        ids = np.fromiter((number for row in found for number in row), np.int32, int(counts.sum()))
        if self.pad:
            ids = np.where(ids == self.pad, 0, np.where(ids == 0, self.pad, ids)).astype(np.int32)
        return ids, counts

    def counts(self, texts: pl.Series) -> Array:
        """See `tokenizer.Tokenizer`."""
        found = self.library.encode_batch_fast(texts.to_list())
        return np.fromiter(map(len, found), np.int64, len(found))

    def content(self) -> dict[str, Any]:
        """See `tokenizer.Tokenizer`."""
        return {"json": self.library.to_str(), "kind": self.kind, "pad": self.pad, "longest": self.longest}

    def told(self) -> str:
        """See `tokenizer.Tokenizer`."""
        if self.kind == "pretrained":
            return f"the tokenizer of a pretrained network, {self.size:,} tokens"
        return f"byte pairs learnt from the training texts, {self.size:,} tokens"


def unreadable(why: str) -> TrainwellError:
    """The refusal of a tokenizer.json that is none."""
    return TrainwellError(
        "tokenizer_unreadable", f"The tokenizer cannot be used: {why}.", argument="options/tokenizer",
        allowed=f"a folder with a {FILE} as the library tokenizers writes it",
    )  # fmt: skip


def _library() -> type[Library]:
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise extra_missing("tokenizers", "text", "options/tokenizer") from error
    return Tokenizer


def _parsed(text: str) -> Library:
    library = _library()
    try:
        return library.from_str(text)
    except Exception as error:  # the library raises Exception itself for what it cannot parse
        raise unreadable(plain(str(error), 120)) from error


def _bare(library: Library) -> Library:
    """Without padding and cutting of its own, and blind to special tokens written out in a text."""
    library.no_padding()
    library.no_truncation()
    library.encode_special_tokens = True
    return library


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
