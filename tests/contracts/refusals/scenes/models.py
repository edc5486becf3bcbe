"""Networks that cannot be built: stacks, a person's own modules, pretrained backbones."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.contracts.refusals.front import Front, Refusal, fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = """from torch import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(1, 2)

    def forward(self, x):
        return self.output(x)


class Flat(Own):
    def forward(self, x):
        return self.output(x).sum()


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = 1 / 0


class Settings:
    pass
"""
TINY = {"model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "image_size": 16, "patch_size": 8}  # fmt: skip


def refusals(root: Path) -> Iterator[Refusal]:
    """On a table of two columns, a series of 5,000 steps, a few texts and a few pictures."""
    _write(root)
    with Front(root, allow=["code"]) as front:
        table = front.call("prepare_data", source="people.csv", target="y", columns=["x"])["data"]
        yield from _stacks(front, table)
        yield from _modules(front, table)
        long = front.call("prepare_data", source="long.npz", target="y", kind="series")["data"]
        yield front.refuse("build_model", data=long, architecture="transformer")
        yield from _backbones(front)


def _write(root: Path) -> None:
    (root / "people.csv").write_text(
        "x,z,y\n" + "".join(f"{n % 9},{n},{'yes' if n % 2 else 'no'}\n" for n in range(60))
    )
    (root / "talk.csv").write_text("text,y\n" + "".join(f"a good day {n},{n % 2}\n" for n in range(60)))
    random = np.random.default_rng(0)
    np.savez(root / "long.npz", X=random.normal(size=(40, 5000, 1)).astype(np.float32), y=np.arange(40) % 2)
    (root / "net.py").write_text(OWN)
    (root / "big.py").write_text("#" * 2**21)
    for name in ("nothing", "unknown", "tiny", "pickled"):
        (root / name).mkdir()
    (root / "unknown/config.json").write_text('{"model_type": "perceptron9"}')
    (root / "pickled/config.json").write_text(json.dumps(TINY))
    (root / "pickled/pytorch_model.bin").write_bytes(b"\x80\x04")
    for number in range(20):
        place = root / "pictures" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(place / f"{number}.png")


def _stacks(front: Front, data: str) -> Iterator[Refusal]:
    nested: object = "ReLU"
    for _ in range(9):
        nested = {"residual": [nested]}
    repeated = {"repeat": 300, "layers": [{"type": "Linear", "out_features": 4}, "ReLU"]}
    for layers in (["Softmax"], [nested], [repeated]):
        yield front.refuse("build_model", data=data, layers=layers)
    yield front.refuse("build_model", data=data, architecture="autoencoder")
    with fault("psutil.virtual_memory", lambda: SimpleNamespace(available=1_000_000, total=10**10)):
        yield front.refuse("build_model", data=data, options={"hidden_dims": [1024, 1024]}, architecture="mlp")


def _modules(front: Front, data: str) -> Iterator[Refusal]:
    for module in ("net.py", "big.py:Own", "net.py:Ownn", "net.py:Settings", "net.py:Broken", "net.py:Flat"):
        yield front.refuse("build_model", data=data, module=module)
    model = front.call("build_model", data=data, module="net.py:Own")["model"]
    (front.root / "net.py").write_text(f"{OWN}\n# Another word.\n")
    yield front.refuse("train", model=model, train_loader=data)


def _backbones(front: Front) -> Iterator[Refusal]:
    texts = front.call("prepare_data", source="talk.csv", target="y", kind="text")["data"]
    pictures = front.call("prepare_data", source="pictures")["data"]
    for folder in ("nothing", "unknown", "pickled"):
        yield front.refuse("build_model", data=pictures, pretrained=folder)
    folder = front.root / "tiny"
    yield from _changed(front, pictures, folder)
    (folder / "model.safetensors").write_bytes(b"no weights at all")
    yield front.refuse("build_model", data=pictures, pretrained="tiny")
    _write_tokenizer(folder)
    yield front.refuse("build_model", data=texts, pretrained="tiny")


def _changed(front: Front, pictures: str, folder: Path) -> Iterator[Refusal]:
    """The weights are others when training begins."""
    import transformers

    config = transformers.AutoConfig.for_model("vit", **{key: TINY[key] for key in TINY if key != "model_type"})
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    model = front.call("build_model", data=pictures, pretrained="tiny")["model"]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80?")
    yield front.refuse("train", model=model, train_loader=pictures)


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models

    known = {"[PAD]": 0, "[UNK]": 1, "good": 2, "day": 3}
    Tokenizer(models.WordLevel(known, "[UNK]")).save(str(folder / "tokenizer.json"))
