"""Backbones with weights: tiny ones of every type, saved as the library transformers saves them."""

import json

import pytest
import torch
import transformers

from trainwell import architectures
from trainwell.architectures._backbones import KINDS
from trainwell.architectures._memory import FeatureMemory
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec
from trainwell.store.workspace import Workspace
from trainwell.training.groups import learnings

torch.set_num_threads(1)
TEXT = Shapes(
    inputs=(
        TensorSpec(name="tokens", shape=(10,), dtype="int32", role="tokens", sizes=(90,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    ),
    num_outputs=3,
)
IMAGES = Shapes(inputs=(TensorSpec(name="x", shape=(1, 20, 20), dtype="uint8", role="image"),), num_outputs=3)
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 90,
    "max_position_embeddings": 40, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2,
    "sep_token_id": 3,
}  # fmt: skip
OWN_SIZES = {
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "vocab_size": 90, "pad_token_id": 0},
    "vit": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 16, "patch_size": 8},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
}  # fmt: skip


@pytest.fixture
def save(tmp_path):
    """Save a tiny backbone of a type with random weights; gives its folder's name."""

    def saving(kind="bert", **sizes):
        torch.manual_seed(1)
        config = transformers.AutoConfig.for_model(kind, **{**OWN_SIZES.get(kind, SIZES), **sizes})
        transformers.AutoModel.from_config(config).save_pretrained(tmp_path / kind)
        return kind

    with Workspace.open(tmp_path).at_work():
        yield saving


def shapes_of(kind):
    return TEXT if KINDS[kind].role == "tokens" else IMAGES


def rows_of(shapes, rows=4):
    if shapes is IMAGES:
        return (torch.randint(0, 256, (rows, 1, 20, 20), dtype=torch.uint8),)
    lengths = torch.tensor([10, 4, 1, 7])[:rows]
    tokens = torch.randint(2, 90, (rows, 10), dtype=torch.int32)
    return torch.where(torch.arange(10) < lengths[:, None], tokens, 0), lengths


def built(source, shapes, **options):
    settled = architectures.resolve("pretrained", {"source": source, **options}, shapes)
    torch.manual_seed(0)
    return architectures.build("pretrained", settled, shapes), settled


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_alone_rebuilds_every_type_of_backbone(save, tmp_path, kind):
    shapes = shapes_of(kind)
    module, settled = built(save(kind), shapes)
    for file in (tmp_path / kind).iterdir():
        file.unlink()
    given = rows_of(shapes)
    expected = module.eval()(*given)
    with torch.device("meta"):
        again = architectures.build("pretrained", json.loads(json.dumps(settled)), shapes)
    again.load_state_dict(module.state_dict(), assign=True)
    torch.testing.assert_close(again.eval()(*given), expected)
    assert expected.shape == (4, 3)


def test_the_features_are_those_of_the_library(save, tmp_path):
    module, _ = built(save("roberta"), TEXT, pooling="cls")
    tokens, lengths = rows_of(TEXT)
    theirs = torch.where(tokens == 0, 1, torch.where(tokens == 1, 0, tokens)).long()  # RoBERTa pads with 1
    mask = (torch.arange(10) < lengths[:, None]).long()
    library = transformers.AutoModel.from_pretrained(tmp_path / "roberta").eval()
    with torch.no_grad():
        states = library(input_ids=theirs, attention_mask=mask).last_hidden_state[:, 0]
        torch.testing.assert_close(module.eval()(tokens, lengths), module.output(states))


@pytest.mark.parametrize("kind", ["bert", "distilbert", "vit"])
@pytest.mark.parametrize("learn", ["head", "stages", "all", "lora"])
def test_what_learns_is_what_was_asked(save, kind, learn):
    shapes = shapes_of(kind)
    module, _ = built(save(kind), shapes, learn=learn)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.train()
    optimizer = torch.optim.SGD([one for one in module.parameters() if one.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(*rows_of(shapes)), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    moved = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    inside = {name for name in moved if name.startswith("backbone.")}
    assert "output.weight" in moved
    if learn == "head":
        assert not inside
    elif learn == "lora":
        assert inside
        assert all("lora_" in name for name in inside)
    else:
        assert any(".0." in name for name in inside)
        assert any(".1." in name for name in inside)


def test_layers_thaw_from_the_top_and_learn_slower_below(save):
    module, _ = built(save(), TEXT, learn="stages", thaw_from=3, thaw_every=2, rate_scale=0.1, rate_decay=0.5)
    found = {one.name: (one.factor, one.first) for one in learnings(module)}
    layer = "backbone.encoder.layer.{}.output.dense.weight"
    assert found["output.weight"] == (1.0, 1)
    assert found[layer.format(1)] == (0.1, 3)
    assert found[layer.format(0)] == (0.05, 5)
    assert found["backbone.embeddings.word_embeddings.weight"] == (0.025, 7)
    both, _ = built("bert", TEXT, learn="all")
    assert {one.first for one in learnings(both)} == {1}


def test_a_frozen_backbone_runs_over_each_row_once_and_says_the_same(save):
    module, _ = built(save(), TEXT, dropout=0.0)
    module.train()
    tokens, lengths = rows_of(TEXT)
    ran = []
    module.backbone.register_forward_hook(lambda *_: ran.append(1))
    first = module(tokens, lengths)
    order = torch.tensor([2, 0, 3])
    again = module(tokens[order][:, :10], lengths[order])
    torch.testing.assert_close(again, first[order])
    assert ran == [1]
    assert again.requires_grad
    with torch.inference_mode():
        module(*rows_of(TEXT))
    module(tokens, lengths).sum().backward()
    assert module.output.weight.grad is not None


def test_a_full_memory_computes_what_it_cannot_keep():
    memory = FeatureMemory(2)
    memory.most = 3
    rows = torch.arange(1, 11).view(5, 2)
    doubled = lambda inputs: 2.0 * inputs[0]  # noqa: E731
    for batch in (rows[:3], rows, rows[[4, 4, 0]], rows[[3, 3]]):
        torch.testing.assert_close(memory.recall((batch,), doubled), 2.0 * batch)
    assert len(memory.places) == 3


def test_weights_that_changed_since_the_model_was_built_are_refused(save, tmp_path):
    _, settled = built(save(), TEXT)
    torch.manual_seed(2)
    other = transformers.AutoModel.from_config(transformers.AutoConfig.for_model("bert", **SIZES))
    other.save_pretrained(tmp_path / "bert")
    with pytest.raises(TrainwellError) as refusal:
        architectures.build("pretrained", settled, TEXT)
    assert refusal.value.code == "backbone_changed"


def test_a_folder_that_is_no_backbone_is_refused(save, tmp_path):
    def code(source="bert", shapes=TEXT, **options):
        with pytest.raises(TrainwellError) as refusal:
            architectures.settle("pretrained", {"source": source, **options}, shapes)
        return refusal.value.code

    save()
    (tmp_path / "empty").mkdir()
    assert code("empty") == "backbone_not_found"
    assert code("../elsewhere") == "path_outside_workspace"
    assert code("someone/their-model") == "not_allowed"
    assert code("hub://someone/their-model") == "not_allowed"
    assert code(shapes=IMAGES) == "architecture_does_not_fit"
    long = TEXT.model_copy(update={"inputs": (TEXT.inputs[0].model_copy(update={"shape": (41,)}), TEXT.inputs[1])})
    assert code(shapes=long) == "too_many_steps"
    (tmp_path / "bert" / "model.safetensors").rename(tmp_path / "bert" / "pytorch_model.bin")
    assert code() == "pickle_refused"
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}))
    assert code() == "backbone_not_supported"


def test_a_damaged_file_of_weights_is_refused(save, tmp_path):
    _, settled = built(save(), TEXT)
    file = tmp_path / "bert" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(TrainwellError) as refusal:
        architectures.build("pretrained", {**settled, "sha256": None}, TEXT)
    assert refusal.value.code == "backbone_damaged"


def test_code_that_a_config_names_is_not_run(save, tmp_path):
    save()
    file = tmp_path / "bert" / "config.json"
    config = json.loads(file.read_text()) | {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}}
    file.write_text(json.dumps(config))
    (tmp_path / "bert" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    built("bert", TEXT)
    assert not (tmp_path / "ran").exists()
