"""Images through the front doors: folders, tables of paths, arrays, and everything that can be wrong with them."""

from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from PIL import Image

from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data.source import open_source

CLASSES = ("cat", "dog", "owl")


def picture(seed, height=12, width=12, mode="RGB"):
    """A picture of random colours; the same seed gives the same."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.fixture
def folder(workspace):
    """`pets/CLASS/NUMBER.png`, ten of each class."""
    root = workspace.root / "pets"
    for number in range(30):
        place = root / CLASSES[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        picture(number).save(place / f"{number:02}.png")
    return root


@pytest.fixture
def table(workspace):
    """`pets.csv` beside `shots/`: path, label, and a number; 30 rows."""
    (workspace.root / "shots").mkdir()
    for number in range(30):
        picture(number).save(workspace.root / "shots" / f"{number:02}.png")
    frame = pl.DataFrame(
        {
            "file": [f"shots/{number:02}.png" for number in range(30)],
            "label": [CLASSES[number % 3] for number in range(30)],
            "age": [number * 1.5 for number in range(30)],
        }
    )
    frame.write_csv(workspace.root / "pets.csv")
    return frame


def prepared_with(workspace, prepared, split="train"):
    arrays = data.load_split(workspace, prepared, split)
    return arrays.inputs[0], arrays.target, arrays.rows


def codes(prepared):
    return {warned.code for warned in prepared.warnings}


def test_a_folder_per_class_becomes_bytes_with_the_scale_of_the_training_part(workspace, folder):
    prepared = data.prepare(workspace, {"source": "pets"})
    pixels, target, rows = prepared_with(workspace, prepared)
    spec = prepared.inputs[0]
    files = sorted(folder.rglob("*.png"))
    assert (prepared.kind, prepared.task, prepared.classes) == ("images", "classification", CLASSES)
    assert (spec.role, spec.dtype, spec.shape, pixels.dtype) == ("image", "uint8", (3, 12, 12), np.uint8)
    np.testing.assert_allclose(spec.mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(spec.std, pixels.astype(np.float64).std((0, 2, 3)), rtol=1e-6)
    for image, label, row in zip(pixels, target, rows, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(files[row])).transpose(2, 0, 1))
        assert files[row].parent.name == prepared.classes[label]
    assert not list(workspace.data_dir(prepared.handle).glob("all*"))
    assert data.prepare(workspace, {"source": "pets"}).handle == prepared.handle


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_folders_named_like_splits_are_the_splits(workspace, folder, names):
    for number, name in enumerate(names):
        for label in CLASSES:
            place = workspace.root / "split" / name / label
            place.mkdir(parents=True)
            for extra in range(6):
                picture(1000 * number + 10 * CLASSES.index(label) + extra).save(place / f"{extra}.png")
    prepared = data.prepare(workspace, {"source": "split"})
    assert prepared.classes == CLASSES
    assert prepared.splits == {"train": 18, "validation": 18, "test": 18}
    pixels, _, _ = prepared_with(workspace, prepared, "test")
    given = {np.asarray(Image.open(file)).tobytes() for file in (workspace.root / "split" / names[2]).rglob("*.png")}
    assert {image.transpose(1, 2, 0).tobytes() for image in pixels} == given


def test_a_test_folder_alone_leaves_validation_to_be_cut_from_training(workspace, folder):
    for label in CLASSES:
        (workspace.root / "two" / "train").mkdir(parents=True, exist_ok=True)
        (folder / label).rename(workspace.root / "two" / "train" / label)
        (workspace.root / "two" / "test" / label).mkdir(parents=True)
        picture(CLASSES.index(label) + 500).save(workspace.root / "two" / "test" / label / "one.png")
    prepared = data.prepare(workspace, {"source": "two"})
    assert prepared.splits["test"] == 3
    assert prepared.splits["train"] + prepared.splits["validation"] == 30


def test_a_given_folder_is_the_test_part(workspace, folder):
    (workspace.root / "later").mkdir()
    for label in CLASSES:
        (workspace.root / "later" / label).mkdir()
        picture(CLASSES.index(label) + 500).save(workspace.root / "later" / label / "one.png")
    prepared = data.prepare(workspace, {"source": "pets", "test_source": "later"})
    _, target, rows = prepared_with(workspace, prepared, "test")
    assert list(rows) == [0, 1, 2]
    assert list(target) == [0, 1, 2]
    assert prepared.splits["train"] + prepared.splits["validation"] == 30


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_table_of_paths_and_labels(workspace, table, suffix):
    frame = table.select("file", "label")
    write = {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[suffix]
    write(workspace.root / f"shots.{suffix}")
    seen = data.inspect(workspace, {"source": f"shots.{suffix}"})
    prepared = data.prepare(workspace, seen["next_call"]["arguments"])
    pixels, target, rows = prepared_with(workspace, prepared)
    assert (seen["kind"], prepared.kind, prepared.target) == ("images", "images", "label")
    for image, label, row in zip(pixels, target, rows, strict=True):
        np.testing.assert_array_equal(image, np.asarray(picture(int(row))).transpose(2, 0, 1))
        assert prepared.classes[label] == frame["label"][int(row)]


def test_a_column_of_numbers_is_regression_and_other_columns_are_named_as_unused(workspace, table):
    prepared = data.prepare(workspace, {"source": "pets.csv", "target": "age"})
    _, target, rows = prepared_with(workspace, prepared)
    np.testing.assert_allclose(target * prepared.target_std + prepared.target_mean, 1.5 * rows, rtol=1e-4, atol=1e-4)
    assert prepared.task == "regression"
    assert any("not used" in note and "label" in note for note in prepared.notes)


@pytest.mark.parametrize("form", ["columns", "cell", "list"])
def test_several_labels_an_image_are_multilabel(workspace, table, form):
    marks = [(number % 2, number % 3 == 0, number % 5 < 3) for number in range(30)]
    names = ("red", "big", "old")
    words = [[name for name, mark in zip(names, row, strict=True) if mark] for row in marks]
    arguments = {"source": "many.csv", "target": "words", "task": "auto"}
    if form == "columns":
        columns = {name: [int(row[place]) for row in marks] for place, name in enumerate(names)}
        table.select("file").with_columns(**{key: pl.Series(value) for key, value in columns.items()}).write_csv(
            workspace.root / "many.csv"
        )
        arguments = {"source": "many.csv", "targets": list(names)}
    elif form == "cell":
        table.select("file").with_columns(words=pl.Series(["|".join(row) for row in words])).write_csv(
            workspace.root / "many.csv"
        )
    else:
        arguments["source"] = "many.parquet"
        table.select("file").with_columns(words=pl.Series(words)).write_parquet(workspace.root / "many.parquet")
    prepared = data.prepare(workspace, arguments)
    _, target, rows = prepared_with(workspace, prepared)
    wanted = [[name in words[row] for name in prepared.classes] for row in rows]
    assert prepared.task == "multilabel"
    assert set(prepared.classes) == set(names)
    assert prepared.target_shape == (3,)
    assert target.dtype == np.float32
    np.testing.assert_array_equal(target, np.array(wanted))
    assert 0 < prepared.baseline.value < 1
    source = data.raw_source(workspace, prepared, "test")
    again = data.encode(prepared, source=source)
    np.testing.assert_array_equal(again.target, prepared_with(workspace, prepared, "test")[1])


def test_reconstruction_needs_no_labels_and_its_target_is_the_image(workspace):
    (workspace.root / "loose").mkdir()
    for number in range(20):
        picture(number).save(workspace.root / "loose" / f"{number}.png")
    seen = data.inspect(workspace, {"source": "loose"})
    prepared = data.prepare(workspace, seen["next_call"]["arguments"])
    pixels, target, _ = prepared_with(workspace, prepared)
    assert (prepared.task, prepared.target_shape, target.dtype) == ("reconstruction", (3, 12, 12), np.uint8)
    np.testing.assert_array_equal(pixels, target)
    assert prepared.baseline.metric == "val_r2"


@pytest.mark.parametrize("layout", ["grey", "first", "last", "alpha last", "float", "deep"])
def test_arrays_of_pixels_become_images(workspace, layout):
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (40, 10, 14, 3), np.uint8)
    grey = random.integers(0, 256, (40, 12, 12), np.uint8)
    given, wanted = {
        "grey": (grey, grey[:, None]),
        "first": (colours.transpose(0, 3, 1, 2), colours.transpose(0, 3, 1, 2)),
        "last": (colours, colours.transpose(0, 3, 1, 2)),
        "alpha last": (np.concatenate([colours, colours[..., :1]], 3), None),
        "float": (colours / np.float32(255), colours.transpose(0, 3, 1, 2)),
        "deep": (grey.astype(np.uint16) * 257, grey[:, None]),
    }[layout]
    np.savez(workspace.root / "shots.npz", X=given, y=np.arange(40) % 4)
    prepared = data.prepare(workspace, {"source": "shots.npz"})
    pixels, target, rows = prepared_with(workspace, prepared)
    assert (prepared.kind, prepared.inputs[0].role, pixels.dtype) == ("images", "image", np.uint8)
    assert list(target) == [prepared.classes.index(str(row % 4)) for row in rows]
    if wanted is None:
        assert prepared.inputs[0].shape == (4, 10, 14)
    else:
        np.testing.assert_array_equal(pixels, wanted[rows])
    source = data.raw_source(workspace, prepared, "validation")
    np.testing.assert_array_equal(
        data.encode(prepared, source=source).inputs[0], prepared_with(workspace, prepared, "validation")[0]
    )
    inline = data.encode(prepared, rows=[given[rows[0]].tolist()])
    np.testing.assert_array_equal(inline.inputs[0][0], pixels[0])


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=(40, 12, 12, 3)),
        np.random.default_rng(0).random((40, 50, 6)),
        np.random.default_rng(0).random((40, 9)),
        np.full((40, 12, 12, 3), np.nan),
        np.random.default_rng(0).random((40, 12, 12, 5)),
    ],
    ids=["around zero", "series", "flat", "nan", "five channels"],
)
def test_arrays_that_are_hardly_pictures_are_left_to_other_kinds(workspace, values):
    np.savez(workspace.root / "x.npz", X=values, y=np.arange(40) % 2)
    seen = data.inspect(workspace, {"source": "x.npz"})
    assert seen["kind"] != "images"


def deep(seed):
    values = np.random.default_rng(seed).integers(0, 4096, (12, 12), np.uint16)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("L", 1), ("1", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("LA", 1), ("CMYK", 3), ("16 bit", 1)],
)
def test_every_mode_is_read(workspace, mode, channels):
    for number in range(20):
        place = workspace.root / "modes" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        image = deep(number) if mode == "16 bit" else picture(number, mode=mode)
        image.save(place / f"{number}.{'jpg' if mode == 'CMYK' else 'png'}")
    prepared = data.prepare(workspace, {"source": "modes"})
    pixels, _, rows = prepared_with(workspace, prepared)
    assert prepared.inputs[0].shape == (channels, 12, 12)
    assert "broken_images" not in codes(prepared)
    if mode == "16 bit":
        number = int(sorted((workspace.root / "modes").rglob("*.png"))[rows[0]].stem)
        np.testing.assert_allclose(pixels[0, 0], np.asarray(deep(number)).astype(float) * 255 / 4095, atol=0.51)
        assert any("4095" in note for note in prepared.notes)


@pytest.mark.parametrize(("shade", "behind"), [(0, 255), (255, 0)])
def test_what_is_drawn_stands_out_from_what_is_put_behind_it(workspace, shade, behind):
    for number in range(20):
        place = workspace.root / "icons" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        values = np.zeros((12, 12, 4), np.uint8)
        values[..., :3] = shade
        values[2 + number % 4 : 8, 3:8, 3] = 255
        Image.fromarray(values).save(place / f"{number}.png")
    prepared = data.prepare(workspace, {"source": "icons"})
    pixels, _, _ = prepared_with(workspace, prepared)
    assert set(np.unique(pixels)) == {0, 255}
    assert pixels[0, 0, 0, 0] == behind
    kept = data.prepare(workspace, {"source": "icons", "options": {"channels": 4}})
    assert kept.inputs[0].shape == (4, 12, 12)


def test_equal_colours_are_kept_as_grey(workspace):
    for number in range(20):
        place = workspace.root / "grey" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture(number, mode="L").convert("RGB").save(place / f"{number}.png")
    prepared = data.prepare(workspace, {"source": "grey"})
    assert prepared.inputs[0].shape == (1, 12, 12)
    assert any("grey" in note for note in prepared.notes)
    assert data.prepare(workspace, {"source": "grey", "options": {"channels": 3}}).inputs[0].shape == (3, 12, 12)


def test_a_camera_held_upright_is_seen_upright(workspace):
    for number in range(20):
        place = workspace.root / "turned" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        values = np.zeros((16, 24, 3), np.uint8)
        values[:8] = 200  # the sky is above ...
        exif = Image.Exif()
        exif[0x0112] = 6  # ... and the camera was turned by a quarter
        Image.fromarray(values).rotate(90, expand=True).save(place / f"{number}.jpg", exif=exif, quality=95)
    prepared = data.prepare(workspace, {"source": "turned"})
    pixels, _, _ = prepared_with(workspace, prepared)
    assert prepared.inputs[0].shape[1:] == (16, 24)
    assert pixels[:, :, :6].mean() > 180
    assert pixels[:, :, 10:].mean() < 20


def test_odd_sizes_come_to_the_middle_one_and_keep_their_ratio(workspace):
    for number in range(21):
        place = workspace.root / "odd" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        height, width = [(20, 20), (20, 40), (30, 20)][number % 3]
        Image.new("RGB", (width, height), (200, 10, 10)).save(place / f"{number}.png")
        picture(number, 20, 20).save(place / f"{number}_square.png")
    prepared = data.prepare(workspace, {"source": "odd"})
    assert prepared.inputs[0].shape == (3, 20, 20)
    assert any("20 x 20" in note and "padded" in note for note in prepared.notes)
    wide = data.encode(prepared, source=open_source(workspace, "odd", None)).inputs[0]
    assert wide.shape[1:] == (3, 20, 20)
    cut = data.prepare(workspace, {"source": "odd", "options": {"size": [16, 24], "fit": "crop"}})
    assert cut.inputs[0].shape == (3, 16, 24)


def test_large_images_are_made_smaller_unless_a_size_is_asked(workspace):
    for number in range(12):
        place = workspace.root / "large" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (400, 300), number * 20).save(place / f"{number}.png")
    assert data.prepare(workspace, {"source": "large"}).inputs[0].shape == (1, 96, 128)
    assert data.prepare(workspace, {"source": "large", "options": {"size": 40}}).inputs[0].shape == (1, 40, 40)


def bomb():
    """A small PNG that claims 30,000 x 30,000 pixels."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_broken_files_are_counted_and_named_and_the_rest_is_learnt(workspace, folder):
    whole = (folder / "cat" / "00.png").read_bytes()
    (folder / "cat" / "00.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "text.jpg").write_text("no picture")
    (folder / "dog" / "empty.png").write_bytes(b"")
    (folder / "owl" / "bomb.png").write_bytes(bomb())
    (folder / "owl" / "notes.txt").write_text("left aside")
    prepared = data.prepare(workspace, {"source": "pets"})
    said = next(warned.message for warned in prepared.warnings if warned.code == "broken_images")
    assert said.startswith("4 of 33 images")
    assert "cat/00.png" in said
    assert sum(prepared.splits.values()) == 29
    assert any("left aside" in note for note in prepared.notes)


def test_a_program_hidden_behind_the_name_of_an_image_is_not_run(workspace, folder):
    (folder / "cat" / "evil.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    prepared = data.prepare(workspace, {"source": "pets"})
    assert "evil.png" in next(warned.message for warned in prepared.warnings if warned.code == "broken_images")


def test_copies_are_reported_across_splits_and_with_other_labels(workspace, folder):
    for number in range(8):
        picture(number).save(folder / "owl" / f"copy{number}.png")
    prepared = data.prepare(workspace, {"source": "pets"})
    assert {"duplicate_images", "duplicates_across_splits", "label_conflicts"} <= codes(prepared)
    assert data.inspect(workspace, {"source": "pets"})["duplicates"] == 8


def test_paths_that_lead_out_of_the_workspace_are_not_read(workspace, table, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    picture(77).save(outside / "secret.png")
    (workspace.root / "shots" / "link.png").symlink_to(outside / "secret.png")
    rows = [*table.select("file", "label").rows(), (str(outside / "secret.png"), "cat"), ("shots/link.png", "dog")]
    rows += [("../" * 9 + "etc/passwd.png", "owl"), ("shots/none.png", "owl"), ("", "owl")]
    pl.DataFrame(rows, schema=["file", "label"], orient="row").write_csv(workspace.root / "pets.csv")
    prepared = data.prepare(workspace, {"source": "pets.csv"})
    said = next(warned.message for warned in prepared.warnings if warned.code == "broken_images")
    assert said.startswith("5 of 35 images")
    assert "leads out of the workspace" in said
    assert sum(prepared.splits.values()) == 30
    with pytest.raises(TrainwellError) as caught:
        data.encode(
            prepared, rows=[{"path": str(outside / "secret.png")}], source=open_source(workspace, None, [{"path": ""}])
        )
    assert caught.value.code == "image_unreadable"


def test_a_link_in_a_folder_that_leads_out_is_not_followed(workspace, folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    picture(77).save(outside / "secret.png")
    (folder / "cat" / "link.png").symlink_to(outside / "secret.png")
    prepared = data.prepare(workspace, {"source": "pets"})
    assert "leads out" in next(warned.message for warned in prepared.warnings if warned.code == "broken_images")


def test_data_is_prepared_anew_when_an_image_of_a_table_changes(workspace, table):
    first = data.prepare(workspace, {"source": "pets.csv", "target": "label"})
    picture(999, 14, 14).save(workspace.root / "shots" / "00.png")
    second = data.prepare(workspace, {"source": "pets.csv", "target": "label"})
    assert first.handle != second.handle


def write(root, name, content):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def as_png(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("files", "arguments", "code"),
    [
        ({"d/a/x.txt": b"text", "d/b/y.bin": b"\0\1"}, {"kind": "images"}, "no_images"),
        ({f"d/{n}.png": as_png(picture(n)) for n in range(20)}, {}, "missing_target"),
        ({f"d/a/{n}.png": as_png(picture(n)) for n in range(20)}, {}, "one_class"),
        ({f"d/{'ab'[n % 2]}/{n}.png": b"not an image" for n in range(20)}, {}, "no_images"),
        ({f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(6)}, {}, "too_few_rows"),
        (
            {f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(20)},
            {"task": "regression"},
            "target_not_numeric",
        ),
        (
            {f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(20)},
            {"options": {"size": 2}},
            "invalid_option",
        ),
        (
            {f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(20)},
            {"options": {"channels": 2}},
            "invalid_option",
        ),
        ({f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(20)}, {"target": "no"}, "missing_column"),
        ({f"d/{'ab'[n % 2]}/{n}.png": as_png(picture(n)) for n in range(20)}, {"targets": ["a"]}, "not_for_this_kind"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_and_leaves_nothing(workspace, files, arguments, code):
    for name, content in files.items():
        write(workspace.root, name, content)
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {"source": "d", **arguments})
    assert caught.value.code == code
    assert list((workspace.state / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"path": "none.png"}], "image_unreadable"),
        ([{"path": "pets.csv"}], "image_unreadable"),
        ([{"path": 3}], "bad_row"),
        ([{"file": None}], "bad_row"),
        ([7], "bad_row"),
        ([[1, 2, 3]], "wrong_shape"),
        ([[[1, 2], [3]]], "bad_value"),
        ([[["a", "b"], ["c", "d"]]], "bad_value"),
    ],
)
def test_an_inline_row_that_is_no_image_is_refused_by_its_place(workspace, table, rows, code):
    prepared = data.prepare(workspace, {"source": "pets.csv", "target": "label"})
    with pytest.raises(TrainwellError) as caught:
        data.encode(prepared, rows=rows, source=open_source(workspace, None, rows))
    assert caught.value.code == code
    assert caught.value.argument == "rows/0"


def test_new_images_come_by_path_by_pixels_and_by_folder(workspace, table):
    prepared = data.prepare(workspace, {"source": "pets.csv", "target": "label"})
    image = picture(3)
    rows = [{"path": "shots/03.png"}, ["shots/03.png"], {"file": "shots/03.png"}, np.asarray(image).tolist()]
    encoded = data.encode(prepared, rows=rows, source=open_source(workspace, None, rows))
    for pixels in encoded.inputs[0]:
        np.testing.assert_array_equal(pixels, np.asarray(image).transpose(2, 0, 1))
    (workspace.root / "shots" / "broken.png").write_bytes(b"x")
    whole = data.encode(prepared, source=open_source(workspace, "shots", None))
    assert whole.count == 30
    assert whole.about[3] == {"image": "03.png"}
    assert "broken.png" in whole.notes[0]


def test_inspecting_is_short_and_says_what_there_is(workspace, folder):
    (folder / "cat" / "broken.png").write_bytes(b"x")
    picture(0).save(folder / "cat" / "again.png")
    seen = data.inspect(workspace, {"source": "pets"})
    assert len(json.dumps(seen, allow_nan=False)) < 2048
    assert (seen["kind"], seen["rows"], seen["classes"], seen["task"]) == ("images", 32, 3, "classification")
    assert seen["sizes"] == {"12x12": 31}
    assert seen["modes"] == {"RGB": 31}
    assert (seen["broken"], seen["duplicates"]) == (1, 1)
    assert data.prepare(workspace, seen["next_call"]["arguments"]).kind == "images"
