"""The manifest: ours, one in the style of the skill that started the project, and broken ones."""

import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.contract.manifest import load_manifest
from trainwell.contract.schema import compile_schema

# The frontmatter of the skill that started the project, as it stood.
SEED = """\
---
name: deep-learning
description: Build and train neural networks with PyTorch - MLPs, CNNs, and training best practices
version: "1.4.0"
sasmp_version: "1.4.0"
bonded_agent: 04-deep-learning
bond_type: PRIMARY_BOND

# Parameter Validation
parameters:
  required:
    - name: model
      type: nn.Module
      validation: "Valid PyTorch model"
    - name: train_loader
      type: DataLoader
      validation: "Non-empty DataLoader"
  optional:
    - name: epochs
      type: integer
      default: 10
      validation: "1 <= epochs <= 1000"
    - name: lr
      type: float
      default: 0.001
      validation: "1e-6 <= lr <= 1"

# Retry Logic
retry_logic:
  strategy: exponential_backoff
  max_attempts: 3
  base_delay_ms: 1000

# Observability
logging:
  level: info
  metrics: [train_loss, val_loss, val_accuracy, gpu_memory]
---

# Deep Learning Skill
"""


@pytest.fixture
def written(tmp_path):
    """Write a manifest: the seed's with one text replaced by another."""

    def write(old="", new="", text=SEED):
        assert old in text
        path = tmp_path / "SKILL.md"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return path

    return write


def optional(entry):
    """A manifest with one optional parameter."""
    return f"---\nparameters:\n  optional:\n    - {entry}\n---\n"


def refusal(path):
    with pytest.raises(TrainwellError) as caught:
        load_manifest(path)
    assert caught.value.code == "bad_manifest"
    return caught.value.message


def test_ours_gives_every_tool_a_closed_schema_that_its_defaults_fit():
    manifest = load_manifest()

    assert len(manifest.tools) >= 13
    for tool in manifest.tools.values():
        schema = tool.input_schema
        assert schema["additionalProperties"] is False
        compile_schema(schema).check_schema(schema)
        assert list(compile_schema({**schema, "required": []}).iter_errors(tool.defaults)) == []
    assert manifest.input_schema("train")["properties"]["epochs"]["maximum"] == 1000
    assert manifest.input_schema("train")["required"] == ["model", "train_loader"]


def test_the_seed_is_loaded_as_it_stands_and_its_word_counts(written):
    manifest = load_manifest(written())

    assert (manifest.defaults("train")["epochs"], manifest.defaults("train")["lr"]) == (10, 0.001)
    assert manifest.retry.max_attempts == 3
    assert manifest.metrics == ("train_loss", "val_loss", "val_accuracy", "gpu_memory")
    assert manifest.notes == ()
    assert manifest.defaults("train")["scheduler"] == load_manifest().defaults("train")["scheduler"]
    assert manifest.input_schema("predict") == load_manifest().input_schema("predict")


def test_a_team_can_lower_the_limits_and_change_the_policies(written):
    text = SEED.replace("epochs <= 1000", "epochs <= 20").replace("exponential_backoff", "fixed")
    manifest = load_manifest(written("max_attempts: 3", "max_attempts: 7", text))

    assert manifest.input_schema("train")["properties"]["epochs"]["maximum"] == 20
    assert (manifest.retry.strategy, manifest.retry.max_attempts) == ("fixed", 7)


def test_a_default_of_ours_that_no_longer_fits_moves_to_the_nearest_limit_and_that_is_told(written):
    manifest = load_manifest(
        written(text=optional('{name: early_stopping, type: integer, validation: "early_stopping <= 9"}'))
    )

    assert manifest.defaults("train")["early_stopping"] == 9
    assert "early_stopping" in manifest.notes[0]


def test_limits_that_are_not_given_stay_ours(written):
    manifest = load_manifest(written(text=optional("{name: epochs, type: integer, default: 3}")))

    epochs = manifest.input_schema("train")["properties"]["epochs"]
    assert (epochs["default"], epochs["maximum"]) == (3, 1000)
    assert manifest.retry == load_manifest().retry


def test_limits_beyond_ours_are_taken_and_told(written):
    manifest = load_manifest(written("epochs <= 1000", "epochs <= 5000"))

    assert manifest.input_schema("train")["properties"]["epochs"]["maximum"] == 5000
    assert "wider" in manifest.notes[0]


def test_an_optional_parameter_can_be_made_required(written):
    text = "---\nparameters:\n  required:\n    - {name: epochs, type: integer}\n---\n"
    manifest = load_manifest(written(text=text))

    assert "epochs" in manifest.input_schema("train")["required"]
    assert "epochs" not in manifest.defaults("train")


def test_another_pattern_is_checked_beside_ours_which_guards_file_names(written):
    entry = "{name: name, type: string, validation: 'matches /^.{1,80}$/'}"
    name = load_manifest(written(text=optional(entry))).input_schema("train")["properties"]["name"]

    assert list(compile_schema(name).iter_errors("good name")) == []
    assert list(compile_schema(name).iter_errors("../bad")) != []


@pytest.mark.parametrize(
    ("default", "expected"), [("1e-3", 0.001), ("0.5", 0.5), ("1", 1), (".5", 0.5)], ids=["1e-3", "0.5", "1", ".5"]
)
def test_numbers_are_read_as_people_write_them_not_as_yaml_1_1_does(written, default, expected):
    assert load_manifest(written("default: 0.001", f"default: {default}")).defaults("train")["lr"] == expected


# What is replaced, by what, a text on the line that must be named, and a part of the reason.
BROKEN = [
    ("type: integer", "type: int", "type: int", "unknown type"),
    ("1 <= epochs <= 1000", "1000 <= epochs <= 1", "1000 <= epochs", "above the largest"),
    ("default: 10", "default: 0", "default: 0", "does not fit"),
    ("default: 10", "default: ten", "default: ten", "not of type integer"),
    ("default: 10", 'default: "10"', 'default: "10"', "not of type integer"),
    ("default: 10", "default: 1.5", "default: 1.5", "does not fit"),
    ("default: 10", "default: yes", "default: yes", "not of type integer"),
    ("default: 10", "default: [10]", "default: [10]", "does not fit"),
    ("default: 0.001", "default: .nan", "default: .nan", "not of type float"),
    ("default: 0.001", "default: 2", "default: 2", "does not fit"),
    ("1e-6 <= lr <= 1", "1e-6 =< lr", "=<", "cannot be parsed"),
    ("1e-6 <= lr <= 1", "exp(lr) < 3", "exp", "cannot be parsed"),
    ("1e-6 <= lr <= 1", "0 < rate <= 1", "rate", "speaks of"),
    ("name: lr", "name: epochs # again", "# again", "second time"),
    ("name: lr", "name: learning_rte", "learning_rte", "could not honour"),
    ("- name: lr\n      type: float", "- type: float", "- type: float", "'name' is missing"),
    ("      type: float\n", "", "name: lr", "'type' is missing"),
    ("type: float", "type: integer # lr", "name: lr", "is of type float, not integer"),
    ("type: float", "type: float\n      maximum: 1", "maximum", "no key"),
    ("type: DataLoader", "type: DataLoader\n      nme: x", "nme", "no key"),
    ("type: DataLoader", "type: string", "name: train_loader", "is of type DataLoader"),
    ("strategy: exponential_backoff", "strategy: exponentail_backoff", "exponentail", "unknown strategy"),
    ("max_attempts: 3", "max_attempts: 0", "max_attempts: 0", "max_attempts"),
    ("max_attempts: 3", "max_attempts: many", "max_attempts: many", "max_attempts"),
    ("  max_attempts: 3\n", "", "strategy", "'max_attempts' is missing"),
    ("base_delay_ms: 1000", "base_delay_ms: -1", "base_delay_ms", "base_delay_ms"),
    ("base_delay_ms: 1000", "base_delay_ms: 1000\n  jiter: 1", "jiter", "no key"),
    ("level: info", "level: chatty", "chatty", "unknown log level"),
    ("gpu_memory]", "gpu_memry]", "gpu_memry", "cannot be logged"),
    ("gpu_memory]", "train_loss]", "metrics:", "second time"),
    ("  metrics: [train_loss, val_loss, val_accuracy, gpu_memory]\n", "", "level: info", "needs 'metrics'"),
    ("retry_logic:", "retry_logc: 1\nretry:", "retry_logc", "unknown key"),
    ("parameters:", "nothing:", "name: deep-learning", "'parameters' is missing"),
    ("  optional:", "  optinal:", "    - name: epochs", "no key"),
    ("default: 10", "default: 10\n      default: 11", "default: 11", "second time"),
    ("level: info", "level: {a: 1}", "level: {a: 1}", "single value"),
    ("bond_type: PRIMARY_BOND", "bond_type: }", "bond_type: }", "not valid YAML"),
    ("bond_type: PRIMARY_BOND", "bond_type: !!python/object:os.system x", "!!python", "tag"),
    ("bond_type: PRIMARY_BOND", "bond_type: &a [*a]", "&a", "nested deeper"),
    ("gpu_memory]\n---", "gpu_memory]\n", "", "not closed"),
    ("---\nname", "name", "name: deep-learning", "must begin"),
]


@pytest.mark.parametrize(("old", "new", "there", "reason"), BROKEN, ids=[reason for *_, reason in BROKEN])
def test_a_broken_manifest_is_refused_with_file_line_and_reason(written, old, new, there, reason):
    path = written(old, new)
    lines = path.read_text(encoding="utf-8").split("\n")
    number = next(number for number, line in enumerate(lines, start=1) if there in line) if there else len(lines)
    message = refusal(path)

    assert message.startswith(f"{path}:{number}: "), message
    assert reason in message


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('{name: optimizer, type: enum, validation: "one of: adamw, lion"}', "cannot be"),
        ("{name: tags, type: array, items: strin}", "unknown type"),
        ("{name: lr, type: float, items: string}", "only an array"),
        ("{name: model, type: nn.Module}", "cannot be made optional"),
        ("{name: name, type: string, validation: 'matches /^(a+)+$/'}", "refused"),
        ("lr", "must be a mapping"),
        ("{name: 'a b', type: string}", "cannot be the name"),
    ],
)
def test_what_train_could_not_honour_is_refused(written, entry, reason):
    assert reason in refusal(written(text=optional(entry)))


def test_a_narrower_list_of_words_brings_its_first_as_default(written):
    entry = '{name: scheduler, type: enum, validation: "one of: cosine, constant"}'
    manifest = load_manifest(written(text=optional(entry)))

    assert manifest.defaults("train")["scheduler"] == "cosine"


def test_files_that_are_no_manifest_are_refused(tmp_path):
    binary = tmp_path / "binary.md"
    binary.write_bytes(b"---\nname: \xff\n---\n")

    assert "not UTF-8" in refusal(binary)
    assert "no such file" in refusal(tmp_path / "missing.md")
    assert "no such file" in refusal(tmp_path)  # a folder without SKILL.md


def test_a_billion_laughs_is_stopped(written):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    assert "more than" in refusal(written(text="---\n" + "\n".join(lines) + "\n---\n"))


def test_a_folder_with_a_skill_in_it_will_do_and_so_will_windows_line_ends(written):
    path = written()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert load_manifest(path.parent).defaults("train")["epochs"] == 10
