"""Real texts: the first sentences of scipy's docstrings, and the part of scipy that each comes from.

They are read from the installed package, which is not imported.
"""

import csv
import random
import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

_FIRST = re.compile(r'^[ \t]+r?"""([^"]{25,400}?)(?:\n[ \t]*\n|""")', re.MULTILINE)
TOPICS = ("optimize", "signal", "sparse")


def docstrings(topics: Sequence[str] = TOPICS) -> list[tuple[str, str]]:
    """(text, topic) of every docstring in a fixed random order, each text once; about 1,700 rows."""
    package = Path(find_spec("scipy").origin).parent
    found = {}
    for topic in topics:
        for file in sorted((package / topic).rglob("*.py")):
            if "tests" not in file.parts:
                for text in _FIRST.findall(file.read_text(encoding="utf-8")):
                    found.setdefault(" ".join(text.split()), topic)
    rows = sorted(found.items())
    random.Random(0).shuffle(rows)
    return rows


def write_table(path: Path, rows: Iterable[tuple[str, str]], header: tuple[str, str] = ("text", "topic")) -> Path:
    """Rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_folder(folder, rows):
    """Rows as a folder for each class with one .txt file a row."""
    for number, (text, label) in enumerate(rows):
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05}.txt").write_text(text, encoding="utf-8")
    return folder
